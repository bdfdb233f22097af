-- The services that these ones are part of, the nearest first; UNION ends at a circle.
WITH RECURSIVE above (service_id, ancestor_id, depth) AS (
    SELECT id, parent_id, 1 FROM services WHERE id = ANY (%(service_ids)s::text[]) AND parent_id IS NOT NULL
    UNION
    SELECT above.service_id, services.parent_id, above.depth + 1
    FROM above JOIN services ON services.id = above.ancestor_id
    WHERE services.parent_id IS NOT NULL AND above.depth < %(most)s
)
SELECT service_id, ancestor_id FROM above ORDER BY service_id, depth
