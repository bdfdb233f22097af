-- Mark the checks of services whose instants have not come yet, so that they say nothing: a clock was ahead when they
-- were recorded, and has been set right since. Their partitions are today's and later ones.
UPDATE watch_server_logs
SET metadata = coalesce(metadata, '{}') || %(mark)s::jsonb
WHERE service_id = ANY (%(service_ids)s) AND checked_at > %(now)s AND NOT coalesce(metadata ? 'ahead', FALSE)
