-- The checks of a day by service, for the roll-up: counts, and the checks themselves packed into three strings, in the
-- order of storing: one pass over the day instead of a sort. `monitoring/checks/day_checks.py` unpacks them. Times are
-- those of answers (`monitoring/rules/answers.py`), summed in hundredths of a millisecond. Failures of our own network
-- are counted, but left out of the strings, as they are not part of runs.
SELECT
    service_id, count(*), count(*) FILTER (WHERE is_healthy),
    count(response_time) FILTER (WHERE verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)),
    coalesce(sum(round(response_time::float8 * 100)::bigint)
        FILTER (WHERE verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)), 0)::bigint,
    coalesce(string_agg(timestamptz_send(checked_at), '') FILTER (WHERE metadata IS NULL OR NOT metadata ? %(blind)s), ''),
    coalesce(string_agg(int4send(interval_ms), '') FILTER (WHERE metadata IS NULL OR NOT metadata ? %(blind)s), ''),
    coalesce(string_agg(left(verdict, 1), '') FILTER (WHERE metadata IS NULL OR NOT metadata ? %(blind)s), '')
FROM watch_server_logs
WHERE checked_at >= %(start)s AND checked_at < %(end)s AND service_id BETWEEN %(first_id)s AND %(last_id)s
GROUP BY service_id
ORDER BY service_id
