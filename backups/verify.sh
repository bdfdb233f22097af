#!/bin/sh
# Prove that a backup can be restored: the newest, or the one named. For cron:
#   30 3 * * *  /opt/slamonitor/backups/verify.sh        (with containers: --compose)
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --compose ]; then
    shift
    exec docker compose exec -T worker python manage.py verify_backup "$@"
fi
exec "${PYTHON:-.venv/bin/python}" manage.py verify_backup "$@"
