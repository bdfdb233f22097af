-- Ask for a closed day of every service that existed in it and has no settled row yet, for the planner.
INSERT INTO rollup_requests (date, service_id)
SELECT %(day)s, services.id
FROM services
WHERE services.created_at < %(end)s AND (services.archived_at IS NULL OR services.archived_at >= %(start)s)
    AND NOT EXISTS (
        SELECT FROM uptime_records AS record
        WHERE record.service_id = services.id AND record.date = %(day)s AND (record.is_settled OR record.policy_id IS NULL)
    )
ON CONFLICT DO NOTHING
