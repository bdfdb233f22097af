-- Means of the minutes from the start of an incident to each step, by month, for the admin and the API. A target is missed
-- if nothing was told by then, unless the incident was resolved before.
SELECT
    date_trunc('month', started_at AT TIME ZONE %(zone)s)::date AS first_day,
    count(*),
    count(*) FILTER (
        WHERE coalesce(first_update_at, resolved_at, %(now)s) > started_at + target.allowed
    ),
    avg(extract(epoch FROM detected_at - started_at) / 60)::float8,
    avg(extract(epoch FROM acknowledged_at - started_at) / 60)::float8,
    avg(extract(epoch FROM first_update_at - started_at) / 60)::float8,
    avg(extract(epoch FROM resolved_at - started_at) / 60)::float8
FROM incident
JOIN unnest(%(priorities)s::text[], %(targets)s::interval[]) AS target (priority, allowed) USING (priority)
WHERE published_at IS NOT NULL AND started_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
GROUP BY 1
ORDER BY 1 DESC
