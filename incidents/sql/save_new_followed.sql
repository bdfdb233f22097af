-- Store outages that the monitor begins to follow. A person may have named a service already: its impact stays.
INSERT INTO incident_affected_services (incident_id, service_id, impact, is_followed, failed_at, recovered_at, evidence)
SELECT incident_id, service_id, 'major', TRUE, failed_at, recovered_at, evidence::jsonb
FROM unnest(
    %(incident_ids)s::bigint[], %(service_ids)s::text[], %(failures)s::timestamptz[], %(recoveries)s::timestamptz[],
    %(evidence)s::text[]
) AS new (incident_id, service_id, failed_at, recovered_at, evidence)
ON CONFLICT (incident_id, service_id) DO UPDATE
SET is_followed = TRUE, failed_at = excluded.failed_at, recovered_at = excluded.recovered_at,
    evidence = excluded.evidence
