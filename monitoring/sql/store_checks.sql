-- Store a batch of checks, for the recorder. Only the rows returned are new: a message delivered twice returns nothing.
-- A row from the future, recorded while a clock was ahead, is replaced by the check made at that time.
INSERT INTO watch_server_logs AS stored (
    checked_at, response_time, lateness_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, interval_ms, status_code,
    service_id, region, verdict, error_type, error_message, metadata
)
SELECT * FROM unnest(
    %(checked_at)s::timestamptz[], %(response_time)s::real[], %(lateness_ms)s::real[], %(dns_ms)s::real[],
    %(connect_ms)s::real[], %(tls_ms)s::real[], %(first_byte_ms)s::real[], %(interval_ms)s::integer[],
    %(status_code)s::smallint[], %(service_id)s::text[], %(region)s::text[], %(verdict)s::text[],
    %(error_type)s::text[], %(error_message)s::text[], %(metadata)s::jsonb[]
)
ON CONFLICT (service_id, checked_at, region) DO UPDATE SET
    response_time = excluded.response_time, lateness_ms = excluded.lateness_ms, dns_ms = excluded.dns_ms,
    connect_ms = excluded.connect_ms, tls_ms = excluded.tls_ms, first_byte_ms = excluded.first_byte_ms,
    interval_ms = excluded.interval_ms, status_code = excluded.status_code, verdict = excluded.verdict,
    error_type = excluded.error_type, error_message = excluded.error_message, metadata = excluded.metadata
WHERE stored.metadata ? 'ahead'
RETURNING service_id, checked_at, region
