-- Connections of clients to the whole server, its limit, and those in a long transaction. For the diagnostics.
SELECT
    count(*),
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
    count(*) FILTER (WHERE datname = current_database()),
    count(*) FILTER (WHERE state LIKE 'idle in transaction%%' AND state_change < now() - %(idle_for)s::interval),
    coalesce(
        max(extract(epoch FROM now() - xact_start)) FILTER (WHERE datname = current_database() AND pid <> pg_backend_pid()),
        0
    )::float8
FROM pg_stat_activity
WHERE backend_type = 'client backend'
