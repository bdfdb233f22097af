-- The number of slots that were due in a stretch of time, and of checks stored for it, to see whether the engine keeps
-- up. Services changed since its start are left out, as their due slots are no longer known.
SELECT
    (
        SELECT coalesce(sum(
            ((%(until_ms)s - 1 - phase_ms) / check_interval - (%(since_ms)s - 1 - phase_ms) / check_interval)
            * cardinality(regions)
        ), 0)::bigint
        FROM services
        WHERE is_active AND archived_at IS NULL AND phase_ms IS NOT NULL AND updated_at < %(since)s
    ),
    (SELECT count(*) FROM watch_server_logs WHERE checked_at >= %(since)s AND checked_at < %(until)s)
