"""Start the nightly backup, and then the verification that it can be restored.

Each is a separate process: it may take an hour, and an engine has three threads, one of which results need. It is a
child of the worker and ends with it; a killed one is started again an hour later.
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
    """Start the due command, unless a backup or a restore is running; return it."""
    command = due_command(now)
    if command and not _is_busy():
        logger.info("backup begins", extra={"command": " ".join(command)})
        spawn(_process(command), stdout=STDERR)
        return command
    return []


def due_command(now: datetime) -> list[str]:
    """Return the command that is due now, or an empty list. Three queries."""
    standing = reports.standing()
    if nights.is_backup_due(standing, now, settings.BACKUP_AT, settings.PAGE_TIME_ZONE):
        return ["backup"]
    return ["verify_backup"] if nights.is_proof_due(standing, now, settings.BACKUP_AT) else []


def _is_busy() -> bool:
    with transaction.atomic():
        return not try_lock_in_transaction(BUSY.format(connection.settings_dict["NAME"]))


def _process(command: list[str]) -> Process:
    return Process(name=command[0], command=(sys.executable, "manage.py", *command), env=dict(os.environ), cwd=CHECKOUT)
