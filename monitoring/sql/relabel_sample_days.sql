-- Let sample days be days of another zone: they were made up, and nothing happened in them at any instant.
UPDATE uptime_records SET time_zone = %(zone)s, counts_time_zone = %(zone)s
WHERE time_zone <> %(zone)s AND policy_id IS NULL AND metadata @> '{"sample": true}'
