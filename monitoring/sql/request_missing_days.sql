-- Request a closed day of every service that existed on it and has no settled row, unless it is requested already, for
-- the planner.
INSERT INTO rollup_requests (date, service_id)
SELECT %(day)s, services.id
FROM services
WHERE services.created_at < %(end)s AND (services.archived_at IS NULL OR services.archived_at >= %(start)s)
    AND NOT EXISTS (
        SELECT FROM uptime_records AS record
        WHERE record.service_id = services.id AND record.date = %(day)s AND record.time_zone = %(zone)s
            AND (record.is_settled OR record.policy_id IS NULL)
    )
    AND NOT EXISTS (SELECT FROM rollup_requests AS asked WHERE asked.service_id = services.id AND asked.date = %(day)s)
