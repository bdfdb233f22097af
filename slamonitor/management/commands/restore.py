"""`manage.py restore`: restore a backup over the data, or into another database."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from database.backups import bucket, container, contents, encryption, loading, replacing
from database.backups.folder import Folder
from database.backups.loading import Source
from database.backups.manifest import Kind
from database.backups.progress import Progress
from database.backups.server import Server
from slamonitor.management.backup_command import FOREIGN, BackupCommand
from slamonitor.running.engine_stop import engine_stopped

TOLD = ("services", "users", "uptime_records", "incident")


class Command(BackupCommand):
    help = (
        "Restore a backup. In place, it is loaded and compared first; then the engine is paused, the"
        " current data is dumped for safety, and both are swapped in one step. If anything fails, the"
        " data is not changed."
    )
    is_leisurely = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a path, or the name of a backup in BACKUP_DIR or the bucket")
        parser.add_argument("--into", metavar="DB", help="a new database; the current data is kept")
        parser.add_argument("--without-raw", action="store_true", help="without closed days of raw checks")
        parser.add_argument("--foreign", action="store_true", help=FOREIGN)
        parser.add_argument("--yes", action="store_true", help="don't ask for confirmation")

    def work(self, server: Server, folder: Folder, progress: Progress, options: dict[str, Any]) -> None:
        path = find(options["file"], folder, progress, with_raw=not options["without_raw"])
        progress.step(f"checking {path}")
        with loading.source(
            path, (lambda _: []) if options["without_raw"] else None, foreign=options["foreign"]
        ) as found:
            if options["into"]:
                replacing.into_new_database(server, found, options["into"], progress)
                return self._tell(server.of(options["into"]), f"Restored into the database {options['into']}.")
            replacing.require_restorable(found)
            if not options["yes"]:
                ask(server, found)
            safety = replacing.in_place(
                server, found, folder, lambda: engine_stopped(server, settings.STATE_DIR), progress
            )
        connections.close_all()
        self._tell(server, f"Restored. The previous data is in {safety.path}.")

    def _tell(self, server: Server, words: str) -> None:
        with server.connect() as connection:
            there = {table.plain_name: table.name for table in contents.tables(connection)}
            rows = {name: contents.content(connection, there[name]).rows for name in TOLD if name in there}
        counted = ", ".join(f"{count} {name}" for name, count in rows.items())
        self.stdout.write(f"{words} It has {counted}." if counted else words)


def find(name: str, folder: Folder, progress: Progress, *, with_raw: bool) -> Path:
    """Return the backup of this path or name; missing files are fetched from the bucket."""
    given = Path(name).absolute()
    if given.exists():
        return given
    path = folder.path / name
    if not path.exists() and bucket.is_on() and Path(name).name == name:
        bucket.fetch(folder.path, name, progress)
        with encryption.plain(path) as clear:
            wanted = container.head(clear).raw_files if with_raw else ()
        for each in wanted:
            if not (folder.raw / each.file).exists():
                bucket.fetch(folder.path, f"raw/{each.file}", progress)
    return path if path.exists() else given


def ask(server: Server, found: Source) -> None:
    """Ask for confirmation of the replacement. Raises `CommandError` if it is refused."""
    manifest = found.manifest
    what = f"the tables {', '.join(manifest.tables)}" if manifest.kind is Kind.TABLES else "all data"
    warning = (
        f"This replaces {what} of the database {server.database} by those of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"
        f" ({manifest.kind}, {sum(content.rows for content in found.tables.values())} rows). The engine is"
        " paused meanwhile."
    )
    if not sys.stdin.isatty():
        raise CommandError(
            f"{warning} There is no terminal to ask for confirmation. Nothing was changed; use --yes to continue."
        )
    if input(f"{warning}\nThe current data is dumped first. Continue? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")
