-- Statements that took longest on average, from the extension pg_stat_statements, if installed. For the diagnostics.
SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 200), calls, mean_exec_time, total_exec_time
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY mean_exec_time DESC
LIMIT 5
