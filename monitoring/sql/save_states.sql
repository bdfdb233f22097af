-- Write the states of a batch back, for the recorder.
UPDATE service_state SET
    status = new.status, is_down = new.is_down, verdict = new.verdict, run_first_at = new.run_first_at,
    run_last_at = new.run_last_at, run_count = new.run_count, run_hold_s = new.run_hold_s,
    streak_first_at = new.streak_first_at, streak_count = new.streak_count, last_good_at = new.last_good_at,
    last_bad_at = new.last_bad_at, stale_at = new.stale_at, recheck_at = new.recheck_at,
    before_slot = new.before_slot, last_response_ms = new.last_response_ms, last_status_code = new.last_status_code,
    last_error = new.last_error
FROM unnest(
    %(service_id)s::text[], %(status)s::text[], %(is_down)s::boolean[], %(verdict)s::text[],
    %(run_first_at)s::timestamptz[], %(run_last_at)s::timestamptz[], %(run_count)s::integer[],
    %(run_hold_s)s::integer[], %(streak_first_at)s::timestamptz[], %(streak_count)s::integer[],
    %(last_good_at)s::timestamptz[], %(last_bad_at)s::timestamptz[], %(stale_at)s::timestamptz[],
    %(recheck_at)s::timestamptz[], %(before_slot)s::jsonb[], %(last_response_ms)s::double precision[],
    %(last_status_code)s::smallint[], %(last_error)s::text[]
) AS new (
    service_id, status, is_down, verdict, run_first_at, run_last_at, run_count, run_hold_s, streak_first_at,
    streak_count, last_good_at, last_bad_at, stale_at, recheck_at, before_slot, last_response_ms, last_status_code,
    last_error
)
WHERE service_state.service_id = new.service_id
