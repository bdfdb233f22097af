-- Where the recorded runs of a day begin, the open one included, for the audit of runs. A start that is the first raw check
-- of the day is left out, as on the raw side.
SELECT run.service_id, run.first_at, run.verdict
FROM (
    SELECT service_id, first_at, verdict
    FROM check_runs
    WHERE first_at >= %(start)s AND first_at < %(end)s AND service_id = ANY (%(service_ids)s)
    UNION ALL
    SELECT service_id, run_first_at, verdict
    FROM service_state
    WHERE run_first_at >= %(start)s AND run_first_at < %(end)s AND service_id = ANY (%(service_ids)s)
) AS run
WHERE EXISTS (
    SELECT
    FROM watch_server_logs AS earlier
    WHERE earlier.service_id = run.service_id AND earlier.checked_at >= %(start)s AND earlier.checked_at < run.first_at
        AND (metadata IS NULL OR NOT metadata ? %(blind)s)
)
