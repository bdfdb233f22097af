#!/bin/sh
# Run manage.py with the settings of the units in deploy/systemd and as their user; for root:
#   /opt/slamonitor/deploy/manage.sh doctor
set -eu
cd "$(dirname "$0")/.."
export SLAMONITOR_PROGRAM="$PWD/deploy/manage.sh"  # what messages advise to enter
etc=${SLAMONITOR_ETC:-/etc/slamonitor}
user=${SLAMONITOR_USER:-slamonitor}
umask 077

export SLAMONITOR_STATE_DIR=/nonexistent BACKUP_DIR=/var/lib/slamonitor/backups
# As systemd reads it: a value may have spaces, and quotes around it.
while IFS= read -r line || [ -n "$line" ]; do
    case $line in [A-Z]*=*) ;; *) continue ;; esac
    value=${line#*=}
    case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
    export "${line%%=*}=$value"
done < "$etc/env"
for name in SECRET_KEY SECRETS_KEY DATABASE_URL REDIS_URL; do
    value=$(cat "$etc/$(echo "$name" | tr 'A-Z_' 'a-z-')")
    export "$name=$value"
done

set -- "${PYTHON:-.venv/bin/python}" manage.py "$@"
[ "$(id -un)" = "$user" ] || set -- setpriv --reuid "$user" --regid "$user" --init-groups "$@"
exec "$@"
