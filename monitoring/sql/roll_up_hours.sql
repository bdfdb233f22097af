-- Count the checks of whole hours, for the dashboard's charts; without failures of our own network. The buckets are those
-- of monitoring/rules/histogram.py.
WITH counted AS (
    SELECT
        date_trunc('hour', checked_at, 'UTC') AS hour_at,
        verdict,
        -- Only answers have a response time (monitoring/rules/answers.py).
        CASE WHEN response_time IS NOT NULL
            AND (verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)) THEN
            ceil(ln(greatest(response_time::float8, %(lowest_ms)s)) / ln(%(growth)s::float8))::smallint
        END AS bucket,
        count(*) AS checks
    FROM watch_server_logs
    WHERE checked_at >= %(since)s AND checked_at < %(until)s AND (metadata IS NULL OR NOT metadata ? 'blind')
    GROUP BY 1, 2, 3
), hours AS (
    SELECT
        hour_at,
        coalesce(sum(checks) FILTER (WHERE verdict = 'ok'), 0) AS ok_count,
        coalesce(sum(checks) FILTER (WHERE verdict = 'slow'), 0) AS slow_count,
        coalesce(sum(checks) FILTER (WHERE verdict = 'bad'), 0) AS bad_count
    FROM counted
    GROUP BY hour_at
), answers AS (
    SELECT hour_at, bucket, sum(checks)::integer AS checks
    FROM counted
    WHERE bucket IS NOT NULL
    GROUP BY hour_at, bucket
), histograms AS (
    SELECT hour_at, array_agg(bucket ORDER BY bucket) AS buckets, array_agg(checks ORDER BY bucket) AS counts
    FROM answers
    GROUP BY hour_at
)
INSERT INTO check_hours (
    hour_at, ok_count, slow_count, bad_count, histogram_buckets, histogram_counts, computed_at, took_ms
)
SELECT hour_at, ok_count, slow_count, bad_count, coalesce(buckets, '{}'), coalesce(counts, '{}'), %(now)s, 0
FROM hours
LEFT JOIN histograms USING (hour_at)
ON CONFLICT (hour_at) DO UPDATE SET
    ok_count = excluded.ok_count, slow_count = excluded.slow_count, bad_count = excluded.bad_count,
    histogram_buckets = excluded.histogram_buckets, histogram_counts = excluded.histogram_counts,
    computed_at = excluded.computed_at, took_ms = 0
