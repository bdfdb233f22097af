-- The checks of a day by service, counted, for the roll-up.
SELECT service_id, count(*), count(*) FILTER (WHERE is_healthy), avg(response_time)
FROM watch_server_logs
WHERE checked_at >= %(start)s AND checked_at < %(end)s AND service_id BETWEEN %(first_id)s AND %(last_id)s
GROUP BY service_id
