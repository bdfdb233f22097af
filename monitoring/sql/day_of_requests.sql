-- The requests of a day by service with their exact percentiles, for the roll-up. Redirects on the way are not counted.
SELECT
    service_id, count(*), count(*) FILTER (WHERE is_success), avg(response_time), min(response_time),
    max(response_time), percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY response_time)
FROM api_response_times
WHERE measured_at >= %(start)s AND measured_at < %(end)s AND service_id BETWEEN %(first_id)s AND %(last_id)s
    AND is_final
GROUP BY service_id
