"""Restore a backup in place of the live database, or into another one.

The backup is loaded, compared and migrated in a separate database while the live one works on. Only then the engine
stops, the live data are dumped for safety, and both databases are renamed in one transaction. Any earlier failure
leaves the old data complete and under their name.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg import Connection, sql

from database.backups import contents, loading, schema
from database.backups.folder import Folder
from database.backups.loading import Source
from database.backups.manifest import Kind
from database.backups.problem import BackupError
from database.backups.progress import Progress
from database.backups.server import APPLICATION, Server, first_line
from database.backups.taking import Taken, take_reserved

RESTORING, REPLACED = "{}_restoring", "{}_replaced"  # names of databases that exist for minutes
TRIES = 20
StopEngine = Callable[[], AbstractContextManager[None]]


def into_new_database(server: Server, found: Source, name: str, progress: Progress) -> None:
    """Load a backup into a database that does not exist yet. Raises `BackupError`."""
    loading.require_version(server, found)
    if loading.exists(server, name):
        raise BackupError(f"There is a database {name} already. Nothing was changed. Choose another name, or drop it.")
    with loading.fresh_database(server, name) as fresh:
        loading.load_and_compare(fresh, found, progress)


def prove(server: Server, found: Source, progress: Progress) -> None:
    """Load a backup into a temporary database, and compare. Raises `BackupError`."""
    loading.require_version(server, found)
    name = RESTORING.format(server.database)
    with server.reserved():
        with loading.fresh_database(server, name) as fresh:
            loading.load_and_compare(fresh, found, progress)
        _drop_at_last(server, name, progress, "the proof has succeeded")


def drop_left_behind(server: Server) -> None:
    """Drop the database that a killed proof or restore left. Neither may be running. Raises `BackupError`."""
    loading.drop(server, RESTORING.format(server.database))


def in_place(server: Server, found: Source, folder: Folder, stop_engine: StopEngine, progress: Progress) -> Taken:
    """Replace the live data by those of a backup, and return the safety dump of the old data.

    Raises `BackupError`; the data are then unchanged.
    """
    require_restorable(found)
    loading.require_version(server, found)
    with server.reserved(), loading.fresh_database(server, RESTORING.format(server.database)) as fresh:
        loading.load_and_compare(fresh, found, progress)
        if found.manifest.kind is Kind.TABLES:
            with stop_engine():
                safety = _dumped(server, folder, progress)
                _replace_rows(server, fresh, found, progress)
            _drop_at_last(server, fresh.database, progress, "the restore has succeeded")
            return safety
        schema.bring_up_to_date(fresh, found.manifest.migrations)
        progress.step("stopping the engine")
        with stop_engine():
            with _still(server) as connection:
                safety = _dumped(server, folder, progress)
                _prepare(server, fresh)
                loading.drop(server, REPLACED.format(server.database))
                # Waiting writers must not get in for the remaining moment: their rows would be lost.
                _end_sessions(connection, [server.database], but=APPLICATION)
            progress.step("changing over")
            _change_over(server, fresh)
    _drop_at_last(server, REPLACED.format(server.database), progress, "the restore has succeeded")
    return safety


def require_restorable(found: Source) -> None:
    """Raise `BackupError` if a backup can't replace the live data."""
    schema.require_known(found)
    if found.manifest.kind is Kind.SCHEMA:
        raise BackupError(
            f"{found.path} holds a schema and no data. It can only be restored into another database: --into NAME"
        )


def _dumped(server: Server, folder: Folder, progress: Progress) -> Taken:
    progress.step("dumping the current data for safety")
    return take_reserved(server, folder, progress=progress)


@contextmanager
def _still(server: Server) -> Iterator[Connection[Any]]:
    """Allow reading and block writing during the block. The locks end with the process."""
    with server.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '15s'")
        names = [*(table.name for table in contents.tables(connection)), *contents.parents(connection)]
        try:
            connection.execute(_lock(names))
        except psycopg.errors.LockNotAvailable as error:
            raise BackupError("A transaction that writes does not end. Nothing was changed; try again.") from error
        yield connection


def _lock(names: list[str]) -> sql.Composed:
    tables = sql.SQL(", ").join(sql.SQL("ONLY {}").format(_trusted(name)) for name in names)
    return sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(tables)


def _trusted(name: str) -> sql.SQL:
    """Use a name as PostgreSQL quoted it."""
    return sql.SQL(name)


def _prepare(live: Server, fresh: Server) -> None:
    """Update the planner's statistics, and raise the change counters: readers would take old numbers for new."""
    with live.connect() as old, fresh.connect() as new:
        new.execute("ANALYZE")
        for topic, value in old.execute("SELECT topic, value FROM change_counters").fetchall():
            new.execute(
                "INSERT INTO change_counters AS kept (topic, value) VALUES (%s, %s + 1)"
                " ON CONFLICT (topic) DO UPDATE SET value = greatest(kept.value, %s) + 1",
                [topic, value, value],
            )


def _change_over(server: Server, fresh: Server) -> None:
    """Rename both databases in one transaction; sessions that connect in between are ended again."""
    live, old, new = (
        sql.Identifier(name) for name in (server.database, REPLACED.format(server.database), fresh.database)
    )
    with server.administration() as connection:
        for attempt in range(1, TRIES + 1):
            _end_sessions(connection, [server.database, fresh.database])
            try:
                with connection.transaction():
                    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(live, old))
                    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(new, live))
                return
            except psycopg.errors.ObjectInUse as error:
                if attempt == TRIES:
                    raise BackupError(
                        f"Other clients keep connecting to {server.database}. Nothing was changed. Stop what"
                        " uses it; its"
                        " sessions are in pg_stat_activity."
                    ) from error
            except psycopg.Error as error:
                raise BackupError(
                    f"The databases cannot be swapped: {first_line(error)}. Nothing was changed."
                ) from error


def _drop_at_last(server: Server, name: str, progress: Progress, what_holds: str) -> None:
    """Drop a database that is no longer needed. A failure here doesn't make the restore fail."""
    try:
        loading.drop(server, name)
    except BackupError as error:
        progress.step(f"{what_holds}; {error}")


def _end_sessions(connection: Connection[Any], databases: list[str], but: str | None = None) -> None:
    """End the sessions of databases, except those of one application. Raises `BackupError`."""
    query = """
        SELECT pid, usename, application_name FROM pg_stat_activity
        WHERE datname = ANY(%s) AND backend_type = 'client backend' AND application_name IS DISTINCT FROM %s
    """
    for pid, user, application in connection.execute(query, [databases, but]).fetchall():
        try:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        except psycopg.errors.InsufficientPrivilege as error:
            raise BackupError(
                f"The session {pid} of {user} ({application or 'unnamed'}) is not ours to end. Nothing was changed. End"
                " it, then try again."
            ) from error


def _replace_rows(live: Server, fresh: Server, found: Source, progress: Progress) -> None:
    """Replace the rows of some tables in one transaction. Raises `BackupError`.

    They come from the database that the file was loaded into: no statement of the file runs in the live one.
    """
    with live.connect() as new, fresh.connect() as old:
        if set(contents.migrations(new)) != set(found.manifest.migrations):
            raise BackupError(
                f"{found.path} holds tables of another release; they may not fit. Nothing was changed. Restore it"
                " --into a database of its own and take over what you need."
            )
        names = sorted(found.manifest.tables)
        if missing := set(names) - {table.name for table in contents.tables(new)}:
            raise BackupError(f"The live database has no table {', '.join(sorted(missing))}. Nothing was changed.")
        try:
            with new.transaction():  # foreign keys are checked at its end
                for name in names:
                    new.execute(sql.SQL("DELETE FROM ONLY {}").format(_trusted(name)))
                for name in names:
                    _copy(old, new, name)
                new.execute("UPDATE public.change_counters SET value = value + 1")
        except psycopg.Error as error:
            raise BackupError(f"The rows cannot be replaced: {first_line(error)}. Nothing was changed.") from error
    progress.step(f"{len(names)} tables replaced")


def _copy(old: Connection[Any], new: Connection[Any], name: str) -> None:
    """Copy the rows of a table from one database to another, and move its sequences past them."""
    columns = new.execute(
        "SELECT attname, pg_get_serial_sequence(%s, attname) FROM pg_attribute WHERE attrelid = %s::regclass"
        " AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        [name, name],
    ).fetchall()
    table, listed = _trusted(name), sql.SQL(", ").join(sql.Identifier(column) for column, _ in columns)
    with (
        old.cursor().copy(sql.SQL("COPY {} ({}) TO STDOUT").format(table, listed)) as read,
        new.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, listed)) as written,
    ):
        for rows in read:
            written.write(rows)
    for column, sequence in columns:
        if sequence:
            query = sql.SQL("SELECT setval({}, greatest(nextval({}), (SELECT max({}) FROM ONLY {})))")
            new.execute(query.format(sequence, sequence, sql.Identifier(column), table))
