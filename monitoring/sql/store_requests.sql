-- Store the measured requests of new checks, for the recorder.
INSERT INTO api_response_times (
    measured_at, response_time, status_code, hop, is_success, is_final, service_id, region, method, endpoint,
    error_message
)
SELECT * FROM unnest(
    %(measured_at)s::timestamptz[], %(response_time)s::real[], %(status_code)s::smallint[], %(hop)s::smallint[],
    %(is_success)s::boolean[], %(is_final)s::boolean[], %(service_id)s::text[], %(region)s::text[], %(method)s::text[],
    %(endpoint)s::text[], %(error_message)s::text[]
)
