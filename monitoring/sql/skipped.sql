-- The number of slots in a stretch of time that was not dispatched, for the count of skipped slots.
SELECT coalesce(sum(
    ((%(until_ms)s - 1 - phase_ms) / check_interval - (%(since_ms)s - 1 - phase_ms) / check_interval)
    * cardinality(regions)
), 0)::bigint
FROM services
WHERE is_active AND archived_at IS NULL AND phase_ms IS NOT NULL
