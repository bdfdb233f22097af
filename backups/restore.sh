#!/bin/sh
# Replace the live data by a backup:       backups/restore.sh sla_monitor_20260310_020000.sql.gz
# With containers:                         backups/restore.sh --compose sla_monitor_20260310_020000.sql.gz
# `manage.py up` pauses its engine by itself; containers are stopped here and started again, even after a failure.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --compose ]; then
    shift
    trap 'docker compose start probe worker dispatch beat' EXIT
    docker compose stop beat dispatch probe worker
    docker compose run --rm worker restore "$@"
    exit
fi
exec "${PYTHON:-.venv/bin/python}" manage.py restore "$@"
