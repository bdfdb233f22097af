"""Take a backup: from one snapshot, into one file, with closed days of raw rows in separate files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from database.backups import container, contents, encryption, raw_days
from database.backups.container import Writer
from database.backups.contents import Table
from database.backups.dump import Vanished
from database.backups.folder import Folder, Index, Written
from database.backups.manifest import Kind, Manifest, RawFile
from database.backups.problem import BackupError
from database.backups.progress import SILENT, Progress
from database.backups.server import Server, scalar
from database.backups.snapshot import Snapshot, snapshot

TRIES = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A backup that is on the disk."""

    path: Path
    manifest: Manifest
    raw_paths: Sequence[Path] = ()  # of the closed days that it names

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size


def take(
    server: Server, folder: Folder, kind: Kind = Kind.WHOLE, tables: Sequence[str] = (), progress: Progress = SILENT
) -> Taken:
    """Write a backup, or nothing. Raises `BackupError`, also while another backup or restore runs."""
    with server.reserved():
        return take_reserved(server, folder, kind, tables, progress)


def take_reserved(
    server: Server, folder: Folder, kind: Kind = Kind.WHOLE, tables: Sequence[str] = (), progress: Progress = SILENT
) -> Taken:
    """Do as `take` does, within `server.reserved()`."""
    container.remove_leftovers(folder.path)
    container.remove_leftovers(folder.raw)
    closed = _again(lambda: raw_days.keep(server, folder, progress)) if kind is Kind.WHOLE else {}
    return _again(lambda: _take(server, folder, kind, tables, closed, progress))


def _again(attempt: Callable[[], T]) -> T:
    """Try again if a partition was dropped meanwhile."""
    for _ in range(TRIES - 1):
        try:
            return attempt()
        except Vanished:
            continue
    return attempt()


def _take(
    server: Server,
    folder: Folder,
    kind: Kind,
    names: Sequence[str],
    closed: dict[str, RawFile],
    progress: Progress,
) -> Taken:
    with snapshot(server) as moment:
        progress.step("reading the schema")
        found = contents.tables(moment.connection)
        named = _named(found, names)
        whole = [f"public.{table.parent}" for table in named if table.parent]
        wanted = list(dict.fromkeys([*whole, *(table.name for table in named)]))
        before, after = (moment.dumper.schema(section, wanted) for section in ("pre-data", "post-data"))
        tables = _with_rows(found, kind, named, closed)
        progress.step("adding up the rows")
        manifest = Manifest(
            kind=kind,
            taken_at=moment.taken_at,
            database=server.database,
            server_major=moment.server_major,
            migrations=contents.migrations(moment.connection),
            tables={table.name: contents.content(moment.connection, table.name) for table in tables},
            raw_files=[closed[table.signature] for table in found if table.signature in closed],
            sql_bytes=sum(table.bytes for table in tables),
        )
        path = folder.name_at(moment.taken_at, is_sealed=encryption.is_on())
        with encryption.written(path) as file:
            writer = Writer(file)
            writer.member([manifest.head()])
            writer.member([before])
            writer.member(_rows(moment, found, tables, progress))
            writer.member([after])
            writer.seal()
            scalar(moment.connection, "SELECT 1")  # the snapshot must have been held until here
    _note(folder, path, manifest)
    return Taken(path=path, manifest=manifest, raw_paths=[folder.raw / each.file for each in manifest.raw_files])


def _named(found: Sequence[Table], names: Sequence[str]) -> list[Table]:
    """Return the tables asked for, a partitioned one as its partitions. Raises `BackupError` with unknown names."""
    by_name = {
        name: [table for table in found if name in (table.name, table.plain_name, table.parent)] for name in names
    }
    if unknown := [name for name, tables in by_name.items() if not tables]:
        raise BackupError(f"There is no table {', '.join(unknown)}. Nothing was written.")
    return [table for tables in by_name.values() for table in tables]


def _with_rows(found: Sequence[Table], kind: Kind, named: Sequence[Table], closed: dict[str, RawFile]) -> list[Table]:
    if kind is Kind.SCHEMA:
        return []
    if kind is Kind.TABLES:
        return list(named)
    if kind is Kind.WITHOUT_RAW:
        return [table for table in found if table.until is None]
    return [table for table in found if table.signature not in closed]


def _rows(moment: Snapshot, found: Sequence[Table], tables: Sequence[Table], progress: Progress) -> Iterator[bytes]:
    """Dump the rows of tables. Neither other tables nor the partitioned ones above these are locked."""
    if not tables:
        return iter(())
    chosen = {table.name for table in tables}
    without = [table.name for table in found if table.name not in chosen]
    rows = moment.dumper.rows(without=[*without, *contents.parents(moment.connection)])
    return progress.count("rows", rows, sum(table.bytes for table in tables))


def _note(folder: Folder, path: Path, manifest: Manifest) -> None:
    """Record the properties of a backup, for processes that can't decrypt it."""
    index = folder.index()
    written = Written(kind=manifest.kind, raw_files=[each.file for each in manifest.raw_files])
    folder.remember(Index(days=index.days, backups={**index.backups, path.name: written}))
