-- Lock the states of a batch's services, always in order of the id, for the recorder.
SELECT
    state.service_id, services.kind, services.regions, services.quorum, services.failure_threshold,
    services.recovery_threshold, policy.failure_threshold AS usual_failure_threshold,
    policy.recovery_threshold AS usual_recovery_threshold, policy.gap_factor AS usual_gap_factor,
    state.status, state.is_down, state.verdict, state.run_first_at, state.run_last_at,
    state.run_count, state.run_hold_s, state.streak_first_at, state.streak_count,
    state.last_good_at, state.last_bad_at, state.stale_at, state.recheck_at, state.before_slot, state.last_response_ms,
    state.last_status_code, state.last_error
FROM service_state AS state
JOIN services ON services.id = state.service_id
-- The version of the service's policy that is in force on this day of the page's time zone.
LEFT JOIN LATERAL (
    SELECT *
    FROM accounting_policies
    WHERE name = services.policy_name AND effective_on <= (now() AT TIME ZONE %(zone)s)::date
    ORDER BY effective_on DESC, version DESC
    LIMIT 1
) AS policy ON TRUE
WHERE state.service_id = ANY (%(service_ids)s)
ORDER BY state.service_id
FOR UPDATE OF state
