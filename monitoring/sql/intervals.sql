-- The distinct intervals in use, for the dispatcher: one step down the index services_due for each, not one a service.
WITH RECURSIVE interval_in_use AS (
    (
        SELECT check_interval
        FROM services
        WHERE is_active AND archived_at IS NULL AND phase_ms IS NOT NULL
        ORDER BY check_interval
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT services.check_interval
        FROM services
        WHERE is_active AND archived_at IS NULL AND phase_ms IS NOT NULL
            AND services.check_interval > interval_in_use.check_interval
        ORDER BY services.check_interval
        LIMIT 1
    )
    FROM interval_in_use
    WHERE interval_in_use.check_interval IS NOT NULL
)
SELECT check_interval FROM interval_in_use WHERE check_interval IS NOT NULL
