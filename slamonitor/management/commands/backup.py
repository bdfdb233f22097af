"""`manage.py backup`: write a backup of the database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from database.backups import nights
from database.backups.folder import Folder
from database.backups.manifest import Kind
from database.backups.progress import Progress, size
from database.backups.server import Server
from database.backups.taking import Taken, take
from slamonitor.management.backup_command import BackupCommand


class Command(BackupCommand):
    help = (
        "Back up the whole database to BACKUP_DIR. Each closed day of raw checks has its own file,"
        " which is written once. Copies the backup to BACKUP_BUCKET and deletes backups older than"
        " BACKUP_KEEP_DAYS."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        part = parser.add_mutually_exclusive_group()
        part.add_argument("--tables", metavar="A,B", help="only these tables; nothing is copied or deleted")
        part.add_argument("--schema-only", action="store_true", help="no rows; nothing is copied or deleted")
        part.add_argument("--without-raw", action="store_true", help="no raw checks and requests of any day")
        parser.add_argument("--out", type=Path, metavar="DIR", help="another folder; nothing is copied or deleted")

    def work(self, server: Server, folder: Folder, progress: Progress, options: dict[str, Any]) -> None:
        kind, tables = chosen(options)
        if options["out"] or kind in (Kind.TABLES, Kind.SCHEMA):
            taken = take(
                server, Folder(options["out"].absolute()) if options["out"] else folder, kind, tables, progress
            )
        else:
            taken = nights.back_up(server, folder, progress, kept_days=settings.BACKUP_KEEP_DAYS, kind=kind)
        self.stdout.write(told(taken))


def chosen(options: dict[str, Any]) -> tuple[Kind, list[str]]:
    """Return the selected part of the database."""
    tables = [name.strip() for name in (options["tables"] or "").split(",") if name.strip()]
    if options["tables"] is not None:
        return Kind.TABLES, tables
    if options["schema_only"]:
        return Kind.SCHEMA, []
    return (Kind.WITHOUT_RAW if options["without_raw"] else Kind.WHOLE), []


def told(taken: Taken) -> str:
    """Return the message about the written backup."""
    rows = sum(content.rows for content in taken.manifest.tables.values())
    days = f", with {len(taken.raw_paths)} closed days in separate files" if taken.raw_paths else ""
    return f"{taken.path}: {size(taken.size_bytes)}, {rows} rows of {len(taken.manifest.tables)} tables{days}"
