-- Every index including those of its partitions: bytes, number of reads, validity. For the diagnostics.
SELECT
    coalesce(parent.relname, own.relname) AS name,
    coalesce(parent_table.relname, of_table.relname) AS table_name,
    sum(pg_relation_size(own.oid)) AS bytes,
    coalesce(sum(stat.idx_scan), 0) AS scans,
    bool_and(pg_index.indisvalid) AS is_valid
FROM pg_index
JOIN pg_class AS own ON own.oid = pg_index.indexrelid
JOIN pg_class AS of_table ON of_table.oid = pg_index.indrelid
JOIN pg_namespace AS namespace ON namespace.oid = own.relnamespace
LEFT JOIN pg_inherits ON inhrelid = own.oid
LEFT JOIN pg_class AS parent ON parent.oid = inhparent
LEFT JOIN pg_index AS parent_index ON parent_index.indexrelid = inhparent
LEFT JOIN pg_class AS parent_table ON parent_table.oid = parent_index.indrelid
LEFT JOIN pg_stat_user_indexes AS stat ON stat.indexrelid = own.oid
WHERE own.relkind = 'i' AND namespace.nspname NOT LIKE 'pg\_%%' AND namespace.nspname <> 'information_schema'
GROUP BY 1, 2
ORDER BY 3 DESC, 1
