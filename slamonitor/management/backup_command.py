"""The base of the commands for backups: clear errors, an orderly end, and waiting for other commands."""

import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from database.backups.folder import Folder
from database.backups.problem import BackupError
from database.backups.progress import Progress
from database.backups.server import Server, application_server

FOREIGN = "accept a file that is not signed with a key of this installation; its SQL is checked in any case"
NICENESS = 10  # so that the engine comes first


class BackupCommand(BaseCommand):
    """Run `work` and report its errors as messages."""

    is_leisurely = True

    def handle(self, *args: Any, **options: Any) -> None:
        if self.is_leisurely:
            os.nice(NICENESS)
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped. No partial files are left."))
        try:
            self.work(application_server(), Folder(settings.BACKUP_DIR), Progress(sys.stderr), options)
        except BackupError as error:
            notes = getattr(error, "__notes__", [])
            raise CommandError("\nBesides: ".join([str(error), *notes])) from error
        finally:
            signal.signal(signal.SIGTERM, before)

    def work(self, server: Server, folder: Folder, progress: Progress, options: dict[str, Any]) -> None:
        raise NotImplementedError
