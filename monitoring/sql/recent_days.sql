-- The daily figures of services over some days, for the public page: one row and one text per service, since most days
-- of most services are equal, and the page then parses each such day once. Down the primary key of uptime_records.
SELECT
    record.service_id,
    string_agg(
        concat_ws(
            ',', record.date - %(first)s, record.status,
            record.operational_s, record.partial_s, record.down_s, record.unknown_s,
            record.maintenance_s, record.paused_s, record.empty_s,
            coalesce(policy.partial_weight_percent, 100),
            CASE WHEN record.metadata @> '{"sample": true}' THEN 1 ELSE 0 END
        ),
        ';' ORDER BY record.date
    )
FROM uptime_records AS record
LEFT JOIN accounting_policies AS policy ON policy.id = record.policy_id
WHERE record.service_id = ANY(%(service_ids)s) AND record.date BETWEEN %(first)s AND %(last)s
    AND record.time_zone = %(zone)s
GROUP BY record.service_id
