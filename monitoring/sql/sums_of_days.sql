-- The seconds by kind of services over some days, for figures over many days: one row for each weight that partial time
-- had in them, usually one. Down the primary key of uptime_records.
SELECT
    record.service_id, coalesce(policy.partial_weight_percent, 100),
    sum(record.operational_s), sum(record.partial_s), sum(record.down_s), sum(record.unknown_s),
    sum(record.maintenance_s), sum(record.paused_s), sum(record.empty_s)
FROM uptime_records AS record
LEFT JOIN accounting_policies AS policy ON policy.id = record.policy_id
WHERE record.service_id = ANY(%(service_ids)s) AND record.date BETWEEN %(first)s AND %(last)s
    AND record.time_zone = %(zone)s
GROUP BY 1, 2
