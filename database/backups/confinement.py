"""Load a backup as a separate role, which owns the database that it is loaded into and nothing else.

Every statement of the file runs with the rights of that role: it is not a superuser, can't create databases or roles,
is a member of none, and has one connection, which is ours. So nothing in the file reaches the live database. Creating
roles needs CREATEROLE, which from PostgreSQL 16 on gives no power over roles that others created.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import Connection, sql

from database.backups.problem import BackupError
from database.backups.progress import Progress
from database.backups.server import Server, first_line

ROLE = "{}_loader"  # exists while a backup is loaded
RIGHTS = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 1"
IDENTITY = ("user", "password", "passfile", "sslcert", "sslkey", "service", "options")  # libpq's words for our identity
SESSION_END_TIMEOUT_S = 10.0  # with a session that is ending


class Unconfined(Exception):
    """The separate role can't be created; the message says why."""


@contextmanager
def confined(fresh: Server, progress: Progress, *, is_required: bool) -> Iterator[Server]:
    """Give a fresh database to a separate role during the block, yield it as that role sees it, and take it back.

    If the role can't be created, load with our own rights, provided that we signed the file. Raises `BackupError` if we
    did not (`is_required`). If the block fails, `loading.drop` drops database and role.
    """
    try:
        guest = _guest(fresh)
    except Unconfined as problem:
        if is_required:
            raise BackupError(
                f"A file that is not signed with our key is loaded by a role that can reach nothing else: {problem}"
            ) from problem
        progress.step(f"the file is ours; loading it with our own rights: {problem}")
        yield fresh
        return
    yield guest
    _take_back(fresh, guest)


def wait_until_gone(fresh: Server, guest: Server) -> None:
    """Wait until the only connection of the role is free again."""
    if guest is fresh:
        return
    deadline = time.monotonic() + SESSION_END_TIMEOUT_S
    with fresh.administration() as connection:
        query = "SELECT FROM pg_stat_activity WHERE usename = %s"
        while connection.execute(query, [guest.parameters["user"]]).fetchone() and time.monotonic() < deadline:
            time.sleep(0.01)


def drop_role(connection: Connection[Any], database: str) -> None:
    """Drop the role of a database that was dropped."""
    with suppress(psycopg.errors.DependentObjectsStillExist, psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(ROLE.format(database))))


def _guest(fresh: Server) -> Server:
    """Create the role and give it the database. Raises `Unconfined`."""
    name, password = ROLE.format(fresh.database), secrets.token_urlsafe(32)
    role, database = sql.Identifier(name), sql.Identifier(fresh.database)
    with fresh.administration() as connection:
        try:
            with connection.transaction():
                connection.execute(sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(role, sql.SQL(RIGHTS), password))
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))  # to take over its objects
                connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, role))
        except psycopg.Error as error:
            raise Unconfined(
                f"such a role cannot be created ({first_line(error)}). An administrator of the server, which must be"
                f" PostgreSQL 16 or newer, can allow it: ALTER ROLE {connection.info.user} CREATEROLE"
            ) from error
    kept = {key: value for key, value in fresh.parameters.items() if key not in IDENTITY}
    guest = replace(fresh, parameters={**kept, "user": name, "password": password})
    try:
        guest.connect().close()
    except BackupError as error:
        _take_back(fresh, guest)
        raise Unconfined(
            f"the role {name} may not connect ({error}). Let pg_hba.conf allow it, as it allows ours"
        ) from error
    wait_until_gone(fresh, guest)
    return guest


def _take_back(fresh: Server, guest: Server) -> None:
    """Take over everything that the role created, including the database, and drop the role."""
    role = sql.Identifier(str(guest.parameters["user"]))
    with fresh.connect() as connection, connection.transaction():
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))
