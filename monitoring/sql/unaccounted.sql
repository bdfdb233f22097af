-- The number of page days of services without settled figures, or with a requested roll-up, for retention. As in
-- `request_missing_days`, a day of a service counts where the service existed, and sample days are settled.
SELECT count(*)
FROM unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS page_day (date, starts_at, ends_at)
JOIN services
    ON services.created_at < page_day.ends_at
    AND (services.archived_at IS NULL OR services.archived_at >= page_day.starts_at)
WHERE NOT EXISTS (
        SELECT FROM uptime_records AS record
        WHERE record.service_id = services.id AND record.date = page_day.date
            AND record.time_zone = %(zone)s AND (record.is_settled OR record.policy_id IS NULL)
    )
    OR EXISTS (
        SELECT FROM rollup_requests AS request
        WHERE request.service_id = services.id AND request.date = page_day.date
    )
