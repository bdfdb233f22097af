-- The last checks of services before an instant each, newest first: for the evidence of their outages.
SELECT wanted.service_id, found.checked_at, found.region, found.verdict, found.response_time, found.status_code,
    found.error_type, found.error_message
FROM unnest(%(service_ids)s::text[], %(sinces)s::timestamptz[], %(untils)s::timestamptz[])
    AS wanted (service_id, since, until)
CROSS JOIN LATERAL (
    SELECT checked_at, region, verdict, response_time, status_code, error_type, error_message
    FROM watch_server_logs
    WHERE service_id = wanted.service_id AND checked_at >= wanted.since AND checked_at <= wanted.until
        AND NOT coalesce(metadata ? 'blind', FALSE)
    ORDER BY checked_at DESC
    LIMIT %(most)s
) AS found
