-- The histogram of response times of a service in some stretches of time, for percentiles of any window, with the
-- buckets of `monitoring/rules/histogram.py`. Only answers have a response time (`monitoring/rules/answers.py`).
-- One range of the index on (service, time) for each stretch.
SELECT
    ceil(ln(greatest(request.response_time::float8, %(lowest_ms)s)) / ln(%(growth)s::float8))::smallint AS bucket, count(*)
FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS stretch (since, until)
JOIN api_response_times AS request
    ON request.service_id = %(service_id)s AND request.measured_at >= stretch.since AND request.measured_at < stretch.until
WHERE request.is_final AND request.status_code IS NOT NULL AND request.response_time IS NOT NULL
GROUP BY 1
