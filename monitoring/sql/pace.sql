-- How many slots were due in a stretch of time, and how many checks of it are stored, for telling whether the engine keeps
-- up. Services that were changed since it began are left out: what was due of them then is not known now.
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
