#!/bin/sh
# Take a backup. For cron, with BACKUP_AT=off:   0 2 * * *  /opt/slamonitor/backups/backup.sh
# With containers:                              0 2 * * *  /opt/slamonitor/backups/backup.sh --compose
# Options go to `manage.py backup`; a failure ends with a status other than 0 and its reason on standard error.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --compose ]; then
    shift
    exec docker compose exec -T worker python manage.py backup "$@"
fi
exec "${PYTHON:-.venv/bin/python}" manage.py backup "$@"
