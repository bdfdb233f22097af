-- Store a lot of checks, for the recorder. Only the rows returned are new: a message delivered twice returns nothing.
INSERT INTO watch_server_logs (
    checked_at, response_time, lateness_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, interval_ms, status_code,
    service_id, region, verdict, error_type, error_message, metadata
)
SELECT * FROM unnest(
    %(checked_at)s::timestamptz[], %(response_time)s::real[], %(lateness_ms)s::real[], %(dns_ms)s::real[],
    %(connect_ms)s::real[], %(tls_ms)s::real[], %(first_byte_ms)s::real[], %(interval_ms)s::integer[],
    %(status_code)s::smallint[], %(service_id)s::text[], %(region)s::text[], %(verdict)s::text[],
    %(error_type)s::text[], %(error_message)s::text[], %(metadata)s::jsonb[]
)
ON CONFLICT DO NOTHING
RETURNING service_id, checked_at, region
