-- Relabel sample days with another zone; they have no real checks that would have to be split at other midnights.
UPDATE uptime_records SET time_zone = %(zone)s, counts_time_zone = %(zone)s
WHERE time_zone <> %(zone)s AND policy_id IS NULL AND metadata @> '{"sample": true}'
