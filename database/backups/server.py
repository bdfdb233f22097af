"""A PostgreSQL server for backups: with access to databases other than the application's, and its own programs.

Connections are psycopg's and not Django's: a snapshot is held for a long time, a lock lives as long as its session, and
databases are created, compared and renamed under the application.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString
from urllib.parse import quote, urlencode

import psycopg
from django.db import connections
from psycopg import Connection, sql

from database.backups.problem import BackupError, Busy
from database.locks import key_of

ADMINISTRATION = ("postgres", "template1")  # databases from which others are created and renamed
BUSY = "backup or restore of {}"
APPLICATION = "slamonitor backup"  # the name of our own sessions

# Content is compared as text, which must look the same in every session.
SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "public",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}
VARIABLES = {  # of Django's settings and of libpq's parameters: the environment of PostgreSQL's programs
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A database and our credentials for it."""

    parameters: Mapping[str, Any] = field(repr=False)  # of libpq; they hold a password

    @property
    def database(self) -> str:
        return str(self.parameters["dbname"])

    @property
    def url(self) -> str:
        """Return the address in the form of `DATABASE_URL`; it contains the password."""
        user, password = (quote(str(self.parameters.get(name, "")), safe="") for name in ("user", "password"))
        options = {name: value for name, value in self.parameters.items() if name not in ("user", "password", "dbname")}
        return f"postgresql://{user}:{password}@/{quote(self.database, safe='')}?{urlencode(options)}"

    def of(self, database: str) -> "Server":
        """Return the same server with another database."""
        return replace(self, parameters={**self.parameters, "dbname": database})

    def connect(self, **parameters: Any) -> Connection[Any]:
        """Connect in autocommit mode. Raises `BackupError`."""
        try:
            connection = psycopg.connect(
                **{**self.parameters, "application_name": APPLICATION, **parameters}, autocommit=True
            )
            connection.execute("SELECT set_config(key, value, false) FROM json_each_text(%s)", [json.dumps(SESSION)])
        except psycopg.OperationalError as error:
            raise BackupError(f"The database {self.database} cannot be reached: {first_line(error)}") from error
        return connection

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment in which PostgreSQL's programs find this database and no other."""
        ours = {
            VARIABLES[name]: str(value) for name, value in self.parameters.items() if name in VARIABLES and value != ""
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**others, **ours, "PGAPPNAME": APPLICATION, **more}

    @contextmanager
    def administration(self) -> Iterator[Connection[Any]]:
        """Connect to another database than the one that is worked on. Raises `BackupError`."""
        problems = []
        for name in ADMINISTRATION:
            try:
                connection = self.of(name).connect()
            except BackupError as error:
                problems.append(str(error))
                continue
            with connection:
                yield connection
            return
        raise BackupError(
            "Creating a database for the restored data requires a connection to one of the databases"
            f" {' or '.join(ADMINISTRATION)}, too. {problems[0]}"
        )

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Exclude other backups and restores of this database during the block. Raises `BackupError`."""
        # Closed and not committed at the end: the swap of databases ends this session, too.
        with closing(self.connect()) as connection:
            key = key_of(BUSY.format(self.database))
            if not scalar(connection, "SELECT pg_try_advisory_lock(%s)", key):
                raise Busy(
                    f"Another backup or restore of {self.database} is running. Wait for it to end: it holds a lock"
                    " that goes with it, however it ends."
                )
            try:
                yield
            except psycopg.Error as error:
                raise BackupError(
                    f"The server failed or ended our session: {first_line(error)}. Partial results were"
                    " deleted, and the"
                    " data was not changed."
                ) from error
            finally:
                # A session ends some time after its connection was closed; the next backup should not wait for that.
                with suppress(psycopg.Error):
                    scalar(connection, "SELECT pg_advisory_unlock(%s)", key)


def application_server() -> Server:
    """Return the application's own server and database."""
    config = connections["default"].settings_dict
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {ours: config[theirs] for theirs, ours in names.items() if config.get(theirs)}
    options = {name: value for name, value in config.get("OPTIONS", {}).items() if name not in ("pool", "options")}
    if "dbname" not in found:
        raise BackupError("No database is configured. Start one with `manage.py up`, or set DATABASE_URL.")
    return Server(parameters={**options, **found})


def scalar(connection: Connection[Any], query: LiteralString | sql.Composed, *parameters: Any) -> Any:
    """Return the first value of the first row."""
    row = connection.execute(query, parameters or None).fetchone()
    return None if row is None else row[0]


def major(connection: Connection[Any]) -> int:
    """Return the server's major version."""
    return connection.info.server_version // 10_000


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
