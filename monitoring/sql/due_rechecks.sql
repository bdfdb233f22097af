-- Take the rechecks due before the end of the window, and clear them, for the dispatcher. Rows locked by a recorder are
-- left for the next tick, as waiting for them could end in a deadlock.
WITH taken AS (
    SELECT service_id, recheck_at
    FROM service_state
    WHERE recheck_at < %(until)s
    FOR UPDATE SKIP LOCKED
), cleared AS (
    UPDATE service_state SET recheck_at = NULL FROM taken WHERE service_state.service_id = taken.service_id
)
SELECT services.id, version, kind, endpoint_url, timeout, check_interval, check_settings, regions,
    ceil(extract(epoch FROM greatest(taken.recheck_at, %(since)s)) * 1000)::bigint AS slot_ms
FROM taken
JOIN services ON services.id = taken.service_id
WHERE is_active AND archived_at IS NULL AND phase_ms IS NOT NULL
