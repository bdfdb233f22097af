"""Start the night's backup, and after it the proof that it can be restored.

Each is a process of its own: it may take an hour, and an engine has three places, one of which results need. It is a
child of the worker and ends with it; what was killed is begun again an hour later.
"""

import logging
import os
import sys
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from database.backups import nights, reports
from database.backups.server import BUSY
from database.locks import try_lock_in_transaction
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.child import Process, spawn

logger = logging.getLogger(__name__)

STDERR = 2


def begin_due(now: datetime) -> list[str]:
    """Start what is due, unless a backup or a restore is at work; return its command."""
    command = due_command(now)
    if command and not _is_busy():
        logger.info("backup begins", extra={"command": " ".join(command)})
        spawn(_process(command), stdout=STDERR)
        return command
    return []


def due_command(now: datetime) -> list[str]:
    """Return the command that is due now, or nothing. Three queries."""
    standing = reports.standing()
    if nights.is_backup_due(standing, now, settings.BACKUP_AT, settings.PAGE_TIME_ZONE):
        return ["backup"]
    return ["verify_backup"] if nights.is_proof_due(standing, now, settings.BACKUP_AT) else []


def _is_busy() -> bool:
    with transaction.atomic():
        return not try_lock_in_transaction(BUSY.format(connection.settings_dict["NAME"]))


def _process(command: list[str]) -> Process:
    return Process(name=command[0], command=(sys.executable, "manage.py", *command), env=dict(os.environ), cwd=CHECKOUT)
