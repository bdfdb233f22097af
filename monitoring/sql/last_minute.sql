-- The rate and lateness of checks, for the dashboard: an index range of block ranges, one minute long.
SELECT count(*), percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY lateness_ms)
FROM watch_server_logs
WHERE checked_at >= %(since)s AND checked_at < %(until)s
