-- Create missing states of the services of a batch, for the recorder. Removed and unknown services get none.
INSERT INTO service_state (service_id, status, is_down, run_count, run_hold_s, streak_count)
SELECT id, 'nd', FALSE, 0, 0, 0
FROM services
WHERE id = ANY (%(service_ids)s)
ORDER BY id
ON CONFLICT DO NOTHING
