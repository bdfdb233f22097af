-- The response times of a day in logarithmic buckets by service, for the roll-up; the buckets of `monitoring/day_histogram.py`.
SELECT service_id, array_agg(bucket ORDER BY bucket), array_agg(count ORDER BY bucket)
FROM (
    SELECT
        service_id, ceil(ln(greatest(response_time::float8, %(lowest_ms)s)) / ln(%(growth)s::float8))::smallint AS bucket,
        count(*)::integer AS count
    FROM api_response_times
    WHERE measured_at >= %(start)s AND measured_at < %(end)s AND service_id BETWEEN %(first_id)s AND %(last_id)s
        AND is_final AND response_time IS NOT NULL
    GROUP BY 1, 2
) AS buckets
GROUP BY service_id
