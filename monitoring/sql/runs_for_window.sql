-- The runs that determine a window, for the accounting: those that touch it, back to the last run long enough to decide
-- the state at its start, and forward to the first such run that settles the state at its end. Two steps
-- down the primary key of check_runs for each service, then the runs themselves.
WITH wanted AS (
    SELECT
        id AS service_id,
        coalesce((
            SELECT first_at
            FROM check_runs
            WHERE service_id = id AND first_at <= %(start)s AND check_count >= %(deciding)s
            ORDER BY first_at DESC
            LIMIT 1
        ), '-infinity') AS since,
        coalesce((
            SELECT first_at
            FROM check_runs
            WHERE service_id = id AND first_at >= %(end)s AND check_count >= %(deciding)s
            ORDER BY first_at
            LIMIT 1
        ), 'infinity') AS until
    FROM unnest(%(service_ids)s::text[]) AS id
)
SELECT
    run.service_id, run.verdict, extract(epoch FROM run.first_at)::float8, extract(epoch FROM run.last_at)::float8,
    run.check_count, run.hold_s
FROM wanted
JOIN check_runs AS run
    ON run.service_id = wanted.service_id AND run.first_at >= wanted.since AND run.first_at <= wanted.until
UNION ALL
SELECT
    state.service_id, state.verdict, extract(epoch FROM run_first_at)::float8, extract(epoch FROM run_last_at)::float8,
    run_count, run_hold_s
FROM wanted
JOIN service_state AS state ON state.service_id = wanted.service_id
WHERE state.verdict IS NOT NULL AND state.run_first_at <= wanted.until
ORDER BY 1, 3
