-- Where the recorded runs of a day begin, the open one included, for the audit of runs.
SELECT service_id, first_at, verdict
FROM check_runs
WHERE first_at >= %(start)s AND first_at < %(end)s AND service_id = ANY (%(service_ids)s)
UNION ALL
SELECT service_id, run_first_at, verdict
FROM service_state
WHERE run_first_at >= %(start)s AND run_first_at < %(end)s AND service_id = ANY (%(service_ids)s)
