-- Every table including its partitions: bytes, live and dead rows, last vacuum. For the diagnostics.
SELECT
    coalesce(parent.relname, own.relname) AS name,
    count(*) FILTER (WHERE parent.relname IS NOT NULL) AS partition_count,
    sum(pg_table_size(own.oid)) AS table_bytes,
    sum(pg_indexes_size(own.oid)) AS index_bytes,
    coalesce(sum(stat.n_live_tup), 0) AS live_rows,
    coalesce(sum(stat.n_dead_tup), 0) AS dead_rows,
    max(greatest(stat.last_vacuum, stat.last_autovacuum)) AS vacuumed_at
FROM pg_class AS own
JOIN pg_namespace AS namespace ON namespace.oid = own.relnamespace
LEFT JOIN pg_inherits ON inhrelid = own.oid
LEFT JOIN pg_class AS parent ON parent.oid = inhparent
LEFT JOIN pg_stat_user_tables AS stat ON stat.relid = own.oid
WHERE own.relkind = 'r' AND namespace.nspname NOT LIKE 'pg\_%%' AND namespace.nspname <> 'information_schema'
GROUP BY 1
ORDER BY sum(pg_total_relation_size(own.oid)) DESC, 1
