-- Count the checks of each service in whole hours again, for the dashboard's lists.
INSERT INTO service_hours (hour_at, service_id, ok_count, slow_count, bad_count, answered_count, response_ms_sum)
SELECT
    date_trunc('hour', checked_at, 'UTC') AS hour_at,
    service_id,
    count(*) FILTER (WHERE verdict = 'ok'),
    count(*) FILTER (WHERE verdict = 'slow'),
    count(*) FILTER (WHERE verdict = 'bad'),
    -- Only answers have a response time (monitoring/rules/answers.py).
    count(response_time) FILTER (WHERE verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)),
    coalesce(sum(response_time::double precision)
        FILTER (WHERE verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)), 0)
FROM watch_server_logs
WHERE checked_at >= %(since)s AND checked_at < %(until)s AND (metadata IS NULL OR NOT metadata ? 'blind')
GROUP BY 1, 2
ON CONFLICT (hour_at, service_id) DO UPDATE SET
    ok_count = excluded.ok_count, slow_count = excluded.slow_count, bad_count = excluded.bad_count,
    answered_count = excluded.answered_count, response_ms_sum = excluded.response_ms_sum
