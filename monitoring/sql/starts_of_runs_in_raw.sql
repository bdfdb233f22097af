-- Where a new run begins by the raw checks of a day, for the audit of runs: another verdict, another hold, or a gap. Only
-- services of one region; the others' checks are folded. The first check of a day begins nothing that can be known here.
WITH candidates AS (
    -- Cheap conditions first: no gap in whole seconds is shorter than the gap factor times the interval.
    SELECT service_id, checked_at, verdict, previous_at, previous_verdict, interval_ms, previous_interval_ms
    FROM (
        SELECT
            service_id, checked_at, verdict, interval_ms, lag(checked_at) OVER by_time AS previous_at,
            lag(verdict) OVER by_time AS previous_verdict, lag(interval_ms) OVER by_time AS previous_interval_ms
        FROM watch_server_logs
        WHERE checked_at >= %(start)s AND checked_at < %(end)s AND service_id = ANY (%(service_ids)s)
            AND (metadata IS NULL OR NOT metadata ? %(blind)s)
        WINDOW by_time AS (PARTITION BY service_id ORDER BY checked_at)
    ) AS checks
    WHERE previous_at IS NOT NULL AND (
        verdict <> previous_verdict
        OR interval_ms <> previous_interval_ms
        OR checked_at - previous_at > previous_interval_ms * %(hold_of_a_millisecond)s::interval
    )
), holds AS (
    SELECT
        *, ceil(interval_ms * %(gap_factor)s::numeric / 1000) AS hold_s,
        ceil(previous_interval_ms * %(gap_factor)s::numeric / 1000) AS previous_hold_s
    FROM candidates
)
SELECT service_id, checked_at, verdict
FROM holds
WHERE verdict <> previous_verdict
    OR hold_s <> previous_hold_s
    OR extract(epoch FROM date_trunc('second', checked_at) - date_trunc('second', previous_at)) > previous_hold_s
