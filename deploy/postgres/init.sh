#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when its data folder is made: a role of our own that is no superuser, and its
# database. The superuser then has no password: it comes in over the socket alone, with
# `docker compose exec postgres psql -U postgres`.
set -euo pipefail

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
	-v user="$DB_USER" -v password="$DB_PASSWORD" -v database="$DB_NAME" <<-'SQL'
	-- CREATEDB: a backup is verified in a database of its own. CREATEROLE: it is loaded by a role that can reach nothing
	-- else.
	CREATE ROLE :"user" LOGIN CREATEDB CREATEROLE PASSWORD :'password';
	-- The diagnostics page reads the server's own figures.
	GRANT pg_monitor TO :"user";
	CREATE DATABASE :"database" OWNER :"user";
	\connect :"database"
	CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
	ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
