-- Store new windows of maintenance, for a plan: ten thousand of them as models would take ten seconds to make and to send.
INSERT INTO spans (kind, service_id, since, until, reason, author_id, created_at)
SELECT 'maintenance', service_id, since, until, %(reason)s, %(author_id)s::bigint, %(now)s
FROM unnest(%(service_ids)s::text[], %(sinces)s::timestamptz[], %(untils)s::timestamptz[])
    AS wanted (service_id, since, until)
RETURNING id, service_id, since
