-- Count the checks of whole hours anew, for the dashboard's charts; without failures of our own network. The buckets are those of monitoring/rules/histogram.py.
WITH counted AS (
    SELECT
        date_trunc('hour', checked_at, 'UTC') AS hour_at,
        verdict,
        -- Only answers have a response time (monitoring/rules/answers.py).
        CASE WHEN response_time IS NOT NULL
            AND (verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)) THEN
            least(%(last_bucket)s, trunc(%(per_doubling)s * ln(greatest(1, response_time)) / ln(2)))::integer
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
)
INSERT INTO check_hours (hour_at, ok_count, slow_count, bad_count, response_buckets, computed_at, took_ms)
SELECT hour_at, ok_count, slow_count, bad_count, ARRAY(
    SELECT coalesce(sum(checks), 0)
    FROM generate_series(0, %(last_bucket)s) AS wanted (bucket)
    LEFT JOIN counted ON counted.bucket = wanted.bucket AND counted.hour_at = hours.hour_at
    GROUP BY wanted.bucket
    ORDER BY wanted.bucket
), %(now)s, 0
FROM hours
ON CONFLICT (hour_at) DO UPDATE SET
    ok_count = excluded.ok_count, slow_count = excluded.slow_count, bad_count = excluded.bad_count,
    response_buckets = excluded.response_buckets, computed_at = excluded.computed_at, took_ms = 0
