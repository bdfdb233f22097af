"""`manage.py verify_backup`: prove that a backup can be restored."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from database.backups import loading, nights
from database.backups.folder import Folder
from database.backups.progress import Progress
from database.backups.server import Server
from slamonitor.management.backup_command import BackupCommand


class Command(BackupCommand):
    help = (
        "Restore a backup into a database of its own, compare every table's rows and content with what was read, and"
        " drop it again. Without FILE: the newest one, with the closed days that were not proven lately."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
        parser.add_argument("--quick", action="store_true", help="only whether the files are whole, without a restore")

    def work(self, server: Server, folder: Folder, progress: Progress, options: dict[str, Any]) -> None:
        path: Path | None = options["file"] and options["file"].absolute()
        if options["quick"]:
            with loading.source(path or nights.newest(folder)) as found:
                self.stdout.write(f"{found.path} and its {len(found.raw_files)} closed days are whole.")
        elif path is None:
            self.stdout.write(f"{nights.prove_newest(server, folder, progress)} can be restored.")
        else:
            nights.prove(server, Folder(path.parent), path, progress)
            self.stdout.write(f"{path} can be restored.")
