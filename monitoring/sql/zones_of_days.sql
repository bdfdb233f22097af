-- The first and the last name, in order, of the time zones in which stored days were accounted, for every start: all are of
-- one zone where both are its name. Two look-ups in uptime_records_of_zone.
SELECT min(time_zone), max(time_zone) FROM uptime_records
