-- The slots in the given ranges of phases, for the dispatcher: one index range on services_due for each.
SELECT
    services.id, version, kind, endpoint_url, timeout, services.check_interval, check_settings, regions,
    due.base_ms + phase_ms AS slot_ms
FROM unnest(%(intervals)s::integer[], %(phases_from)s::integer[], %(phases_until)s::integer[], %(bases_ms)s::bigint[])
    AS due (check_interval, phase_from, phase_until, base_ms)
JOIN services
    ON services.check_interval = due.check_interval
    AND phase_ms >= due.phase_from
    AND phase_ms < due.phase_until
WHERE is_active AND archived_at IS NULL
