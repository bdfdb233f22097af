-- Mark the checks of services from the future, so that they do not count: a clock was ahead when they were recorded,
-- and has been corrected since. Their partitions are today's and later ones.
UPDATE watch_server_logs
SET metadata = coalesce(metadata, '{}') || %(mark)s::jsonb
WHERE service_id = ANY (%(service_ids)s) AND checked_at > %(now)s AND NOT coalesce(metadata ? 'ahead', FALSE)
