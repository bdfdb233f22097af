-- Write how outages went on that the monitor follows: moved to another incident, over, again, or followed no longer.
UPDATE incident_affected_services AS affected
SET incident_id = changed.to_incident_id,
    is_followed = changed.is_followed,
    recovered_at = changed.recovered_at,
    evidence = (coalesce(affected.evidence, '{}') - 'stopped')
        || CASE WHEN changed.stopped IS NULL THEN '{}' ELSE jsonb_build_object('stopped', changed.stopped::jsonb) END
        || CASE WHEN changed.relapses IS NULL THEN '{}' ELSE jsonb_build_object(
            'relapses', coalesce(affected.evidence -> 'relapses', '[]') || changed.relapses::jsonb
        ) END
FROM unnest(
    %(incident_ids)s::bigint[], %(service_ids)s::text[], %(to_incident_ids)s::bigint[], %(are_followed)s::boolean[],
    %(recoveries)s::timestamptz[], %(stops)s::text[], %(relapses)s::text[]
) AS changed (incident_id, service_id, to_incident_id, is_followed, recovered_at, stopped, relapses)
WHERE affected.incident_id = changed.incident_id AND affected.service_id = changed.service_id
