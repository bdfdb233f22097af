-- For a backup: every table that has rows of its own, its size, the end of a partition by time, and a signature that
-- changes with its rows. The counters alone are not enough: a crash resets them.
WITH by_time AS (
    SELECT partrelid
    FROM pg_partitioned_table
    JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
    WHERE partstrat = 'r' AND partnatts = 1 AND atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
)
SELECT
    format('%I.%I', nspname, leaf.relname),
    leaf.relname,
    above.relname,
    pg_table_size(leaf.oid),
    CASE WHEN parent.partrelid IS NOT NULL THEN
        (regexp_match(pg_get_expr(leaf.relpartbound, leaf.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz
    END,
    concat_ws(
        ':', leaf.oid, pg_relation_filenode(leaf.oid), pg_relation_size(leaf.oid),
        pg_stat_get_tuples_inserted(leaf.oid), pg_stat_get_tuples_updated(leaf.oid), pg_stat_get_tuples_deleted(leaf.oid)
    )
FROM pg_class AS leaf
JOIN pg_namespace ON pg_namespace.oid = leaf.relnamespace
LEFT JOIN pg_inherits ON inhrelid = leaf.oid AND leaf.relispartition
LEFT JOIN pg_class AS above ON above.oid = inhparent
LEFT JOIN by_time AS parent ON parent.partrelid = inhparent
WHERE leaf.relkind = 'r'
    AND leaf.relpersistence = 'p'
    AND nspname NOT IN ('pg_catalog', 'information_schema')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = leaf.oid AND deptype = 'e')
ORDER BY 1;
