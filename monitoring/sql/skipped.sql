-- How many slots lie in a stretch of time that nobody dispatched, for the count of skipped ones.
SELECT coalesce(sum(
    ((%(until_ms)s - 1 - phase_ms) / check_interval - (%(since_ms)s - 1 - phase_ms) / check_interval)
    * cardinality(regions)
), 0)::bigint
FROM services
WHERE is_active AND archived_at IS NULL AND phase_ms IS NOT NULL
