"""Load a backup into a separate database, and compare the result with the manifest."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, sql

from database.backups import confinement, container, contents, encryption, statements
from database.backups.manifest import Content, Kind, Manifest, RawFile
from database.backups.problem import BackupError, Foreign
from database.backups.progress import Progress
from database.backups.server import Server, first_line, major
from database.backups.statements import Statement
from database.sql import statement

MOST_NAMED = 5  # differences or sessions that a message lists
DROP_TIMEOUT_S = 30.0  # waiting for others in a database that is to be dropped
OPTIONS = "-c synchronous_commit=off -c maintenance_work_mem=128MB -c client_min_messages=warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A readable backup: plain text, completely checked, with the closed days to load."""

    path: Path
    clear: Path
    manifest: Manifest
    raw_files: Sequence[RawFile]
    raw_folder: Path
    is_foreign: bool  # accepted although we may not have signed it

    @property
    def tables(self) -> dict[str, Content]:
        """Return the tables that must exist in the database after loading."""
        return {**self.manifest.tables, **{each.table: each.content for each in self.raw_files}}


@contextmanager
def source(
    path: Path,
    choose: Callable[[Sequence[RawFile]], Sequence[RawFile]] | None = None,
    *,
    foreign: bool = False,
) -> Iterator[Source]:
    """Check a backup and its closed days, all of them or the chosen ones, before anything is changed.

    They must be complete, contain only statements of our backups, and be signed by us, unless `foreign` files are
    accepted. Raises `BackupError`.
    """
    with encryption.plain(path) as clear:
        manifest = _checked(clear, path, foreign=foreign)
        if manifest.kind is Kind.RAW_DAY:
            raise BackupError(f"{path} holds one day of raw rows. Use the nightly backup, which includes it.")
        wanted = choose(manifest.raw_files) if choose else manifest.raw_files
        for each in wanted:
            _check_raw(path.parent / "raw" / each.file, each, path, foreign=foreign)
        yield Source(
            path=path,
            clear=clear,
            manifest=manifest,
            raw_files=wanted,
            raw_folder=path.parent / "raw",
            is_foreign=foreign,
        )


def _checked(clear: Path, path: Path, *, foreign: bool) -> Manifest:
    """Check one file, and report it under its own name if `clear` is its decrypted content."""
    try:
        manifest = container.check(clear, foreign=foreign)
        statements.examine(chain.from_iterable(container.texts(clear)), path)
    except BackupError as error:
        raise type(error)(str(error).replace(str(clear), str(path))) from error
    return manifest


def _check_raw(path: Path, wanted: RawFile, of: Path, *, foreign: bool) -> None:
    if not path.exists():
        raise BackupError(
            f"{of} needs {path}, which is not there. Nothing was changed. Fetch it, or do without the raw checks of"
            " closed days: --without-raw. All figures of those days are in the backup itself."
        )
    with encryption.plain(path) as clear:
        try:
            holds = dict(_checked(clear, path, foreign=foreign).tables)
        except Foreign:
            raise
        except BackupError as error:
            raise BackupError(
                f"{error} While its day is still in the database: delete the file, and the next backup writes it again."
            ) from error
        if holds != {wanted.table: wanted.content}:
            raise BackupError(f"{path} does not hold what {of} says of it. Nothing was changed.")


@contextmanager
def fresh_database(server: Server, name: str, *, patience_s: float = DROP_TIMEOUT_S) -> Iterator[Server]:
    """Create an empty database like the server's own, and drop it if the block fails. Raises `BackupError`.

    The exception of the block is raised; a problem with the clean-up becomes a note of it.
    """
    create(server, name)
    try:
        yield server.of(name)
    except BaseException as first:
        try:
            drop(server, name, patience_s=patience_s)
        except BackupError as error:
            first.add_note(str(error))
        raise


def create(server: Server, name: str) -> None:
    """Create an empty database with the encoding and language of the server's own; one of the same name is dropped."""
    drop(server, name)
    with server.administration() as connection:
        (command,) = connection.execute(
            statement("database", "create_like").encode(), {"name": name, "like": server.database}
        ).fetchone() or ("",)
        try:
            connection.execute(command)
        except psycopg.Error as error:
            is_forbidden = isinstance(error, psycopg.errors.InsufficientPrivilege)
            remedy = f" An administrator of the server can allow it: ALTER ROLE {connection.info.user} CREATEDB"
            raise BackupError(
                f"The database {name} for the restored data cannot be created: {first_line(error)}."
                + (remedy if is_forbidden else "")
            ) from error


def load_and_compare(fresh: Server, found: Source, progress: Progress) -> None:
    """Load a backup into an empty database, and compare it with the manifest. Raises `BackupError`.

    A separate role does both: reading data that a stranger made may run the stranger's code.
    """
    with confinement.confined(fresh, progress, is_required=found.is_foreign) as guest:
        load(guest, found, progress)
        confinement.wait_until_gone(fresh, guest)
        compare(guest, found.tables, progress)


def drop(server: Server, name: str, *, patience_s: float = DROP_TIMEOUT_S) -> None:
    """Drop a database, even if sessions are connected. Raises `BackupError` if one stays longer than we wait."""
    ends_at = time.monotonic() + patience_s
    try:
        with server.administration() as connection:
            while not _is_dropped(connection, name):
                if time.monotonic() >= ends_at:
                    raise BackupError(_kept_words(connection, name))
                time.sleep(0.2)
            confinement.drop_role(connection, name)
    except psycopg.Error as error:
        raise BackupError(f"The database {name} could not be dropped: {first_line(error)}.") from error


def _is_dropped(connection: Connection[Any], name: str) -> bool:
    """Try to drop a database, and return whether it is gone.

    FORCE ends our own sessions but fails at an autovacuum worker, which is a superuser's. Without FORCE PostgreSQL ends
    autovacuum workers by itself, and waits five seconds for all others. So this tries both in turn.
    """
    command = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        connection.execute(command + sql.SQL(" WITH (FORCE)"))
        return True
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
        pass
    try:
        connection.execute(command)
        return True
    except psycopg.errors.ObjectInUse:
        return False


def _kept_words(connection: Connection[Any], name: str) -> str:
    """Return which sessions use a database, and the remedy."""
    query = "SELECT pid, usename FROM pg_stat_activity WHERE datname = %s ORDER BY pid"
    users = [f"session {pid} of {user or 'the server itself'}" for pid, user in connection.execute(query, [name])]
    return (
        f"The database {name} could not be dropped: it is used by {', '.join(users[:MOST_NAMED]) or 'others'}. It takes"
        " space until the next backup, proof or restore, which drops it. To do it now, let an administrator of the"
        f" server run: DROP DATABASE IF EXISTS {sql.Identifier(name).as_string()} WITH (FORCE)"
    )


def exists(server: Server, name: str) -> bool:
    with server.administration() as connection:
        return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def require_version(server: Server, found: Source) -> None:
    """Raise `BackupError` for a backup of a newer server."""
    with server.administration() as connection:
        version = major(connection)
    if found.manifest.server_major > version:
        raise BackupError(
            f"{found.path} was taken from PostgreSQL {found.manifest.server_major}, and the server is {version}: what a"
            f" newer one writes does not load into an older one. Nothing was changed. Use a server of version"
            f" {found.manifest.server_major} or newer."
        )


def load(server: Server, found: Source, progress: Progress) -> None:
    """Run the SQL of a backup in one transaction, closed days between rows and indexes. Raises `BackupError`."""
    total = found.manifest.sql_bytes + sum(
        (found.raw_folder / each.file).stat().st_size * 5 for each in found.raw_files
    )
    try:
        with server.connect(options=OPTIONS) as connection, connection.transaction():
            # Examined again while it runs: the files may have been changed since.
            for each in statements.statements(progress.count("loading", _sql(found), total), found.path):
                _run(connection, each)
    except psycopg.Error as error:
        raise BackupError(
            f"{found.path} could not be loaded: {first_line(error)}. The data was not changed."
        ) from error


def _run(connection: Connection[Any], read: Statement) -> None:
    if read.is_copy:
        with connection.cursor().copy(read.text) as copy:
            for rows in read.rows:
                copy.write(rows)
    else:
        # `binary` means the extended protocol, in which the server accepts only one statement.
        connection.execute(read.text, binary=True)


def _sql(found: Source) -> Iterator[bytes]:
    for number, part in enumerate(container.parts(found.clear)):
        yield from part
        if number == 1:
            for each in found.raw_files:
                with encryption.plain(found.raw_folder / each.file) as clear:
                    for rows in container.parts(clear):
                        yield from rows


def compare(server: Server, expected: Mapping[str, Content], progress: Progress) -> None:
    """Compare the rows and the checksum of every table. Raises `BackupError` with the differences."""
    progress.step(f"comparing {len(expected)} tables with what was read")
    try:
        with server.connect() as connection:
            differing = [told for name, content in expected.items() if (told := _difference(connection, name, content))]
    except psycopg.Error as error:
        raise BackupError(f"The loaded data cannot be compared with the original: {first_line(error)}.") from error
    if differing:
        more = f" and {len(differing) - MOST_NAMED} more tables" if len(differing) > MOST_NAMED else ""
        raise BackupError(f"The loaded data differs from the original: {'; '.join(differing[:MOST_NAMED])}{more}.")


def _difference(connection: Connection[Any], name: str, expected: Content) -> str:
    found = contents.content(connection, name)
    if found.rows != expected.rows:
        return f"{name} has {found.rows} rows instead of {expected.rows}"
    return "" if found == expected else f"{name} has {found.rows} rows with different content"
