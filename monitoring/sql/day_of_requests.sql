-- The requests of a day by service, for the roll-up: counts, and every response time packed into one string, from which
-- `monitoring/checks/day_requests.py` computes exact percentiles and the histogram. Redirects are not counted, and only
-- answers have a time (`monitoring/rules/answers.py`).
SELECT
    service_id, count(*), count(*) FILTER (WHERE is_success),
    coalesce(string_agg(float4send(response_time), '') FILTER (WHERE status_code IS NOT NULL), '')
FROM api_response_times
WHERE measured_at >= %(start)s AND measured_at < %(end)s AND service_id BETWEEN %(first_id)s AND %(last_id)s
    AND is_final
GROUP BY service_id
ORDER BY service_id
