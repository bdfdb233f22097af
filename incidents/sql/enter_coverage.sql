-- Note by which spans accounting knows of occurrences.
INSERT INTO maintenance_spans (span_id, occurrence_id)
SELECT * FROM unnest(%(span_ids)s::bigint[], %(occurrence_ids)s::bigint[])
