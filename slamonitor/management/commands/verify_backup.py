"""`manage.py verify_backup`: prove that a backup can be restored."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from database.backups import loading, nights
from database.backups.folder import Folder
from database.backups.progress import Progress
from database.backups.server import Server
from slamonitor.management.backup_command import FOREIGN, BackupCommand


class Command(BackupCommand):
    help = (
        "Restore a backup into a separate database, compare the rows and content of every table with"
        " the original, and drop the database. Without FILE: the newest backup, including closed days"
        " that were not verified recently."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
        parser.add_argument(
            "--quick", action="store_true", help="check only that the files are complete, without a restore"
        )
        parser.add_argument("--foreign", action="store_true", help=FOREIGN)

    def work(self, server: Server, folder: Folder, progress: Progress, options: dict[str, Any]) -> None:
        foreign = options["foreign"]
        if foreign and not options["file"]:
            raise CommandError("--foreign requires FILE. The newest backup must be signed by this installation.")
        path: Path | None = options["file"] and options["file"].absolute()
        if options["quick"]:
            with loading.source(path or nights.newest(folder), foreign=foreign) as found:
                self.stdout.write(f"{found.path} and its {len(found.raw_files)} closed days are complete.")
        elif path is None:
            self.stdout.write(f"{nights.prove_newest(server, folder, progress)} can be restored.")
        else:
            nights.prove(server, Folder(path.parent), path, progress, foreign=foreign)
            self.stdout.write(f"{path} can be restored.")
