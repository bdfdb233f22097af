"""Closed partitions, each dumped once into a file of its own.

PostgreSQL's own counters show at no cost whether a partition has changed (late rows, a compressed day). If they differ,
the rows are summed up, and only if the sum differs, the partition is dumped again. The name of a file states its
content and the key that signed it, so no file is overwritten and older backups still find theirs. A day that none of
our keys signed is dumped again as long as its partition exists.
"""

from database.backups import contents, encryption, signing
from database.backups.container import Writer
from database.backups.contents import Table
from database.backups.folder import SEALED, Folder, Index, RawDay
from database.backups.manifest import Content, Kind, Manifest, RawFile
from database.backups.progress import Progress
from database.backups.server import Server
from database.backups.snapshot import Snapshot, snapshot


def keep(server: Server, folder: Folder, progress: Progress) -> dict[str, RawFile]:
    """Dump the closed partitions that have no file yet, each from its own snapshot; return all, by signature."""
    index = folder.index()
    with server.connect() as connection:
        closed = contents.closed(connection)
    days = {}
    for number, table in enumerate(closed, 1):
        known = index.days.get(table.plain_name)
        words = f"closed day {table.plain_name}, {number} of {len(closed)}"
        if known is None or known.signature != table.signature or not _is_as_written_now(known.file):
            known = _dumped(server, folder, table, progress, words)
        days[table.plain_name] = known
    folder.remember(Index(days=days, backups=index.backups))
    return {
        table.signature: RawFile(
            table=table.name, file=days[table.plain_name].file, content=days[table.plain_name].content
        )
        for table in closed
    }


def _is_as_written_now(name: str) -> bool:
    """Return whether a file is signed with a key that we still have, and encrypted if we encrypt."""
    stem, _, ending = name.partition(".")
    return stem.rpartition("_")[2] in signing.key_ids() and ending.endswith(SEALED) == encryption.is_on()


def _dumped(server: Server, folder: Folder, table: Table, progress: Progress, words: str) -> RawDay:
    with snapshot(server) as moment:
        content = contents.content(moment.connection, table.name)
        stem = f"{table.plain_name}_{content.rows}_{content.checksum}_{signing.key_ids()[0]}"
        name = stem + ".sql.gz" + SEALED * encryption.is_on()
        if not (folder.raw / name).exists():
            progress.step(words)
            _write(moment, folder, name, table, content, progress)
    return RawDay(file=name, signature=table.signature, content=content)


def _write(moment: Snapshot, folder: Folder, name: str, table: Table, content: Content, progress: Progress) -> None:
    manifest = Manifest(
        kind=Kind.RAW_DAY,
        taken_at=moment.taken_at,
        database=moment.dumper.server.database,
        server_major=moment.server_major,
        migrations=(),
        tables={table.name: content},
        sql_bytes=table.bytes,
    )
    with encryption.written(folder.raw / name) as file:
        writer = Writer(file)
        writer.member([manifest.head()])
        writer.member(progress.count(table.plain_name, moment.dumper.rows(only=[table.name]), table.bytes))
        writer.seal()
