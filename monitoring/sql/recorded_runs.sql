-- The recorded runs that touch a stretch of time, in order, the open one included, for the audit of runs: one range down
-- the primary key of check_runs for each service, and one step back to the run that extends into the stretch.
SELECT service_id, verdict, first_at, last_at, check_count, hold_s
FROM check_runs
WHERE first_at >= %(start)s AND first_at < %(end)s AND service_id = ANY (%(service_ids)s)
UNION ALL
SELECT before.*
FROM unnest(%(service_ids)s::text[]) AS id
CROSS JOIN LATERAL (
    SELECT service_id, verdict, first_at, last_at, check_count, hold_s
    FROM check_runs
    WHERE service_id = id AND first_at < %(start)s
    ORDER BY first_at DESC
    LIMIT 1
) AS before
WHERE before.last_at >= %(start)s
UNION ALL
SELECT service_id, verdict, run_first_at, run_last_at, run_count, run_hold_s
FROM service_state
WHERE service_id = ANY (%(service_ids)s) AND verdict IS NOT NULL AND run_last_at >= %(start)s AND run_first_at < %(end)s
ORDER BY 1, 3
