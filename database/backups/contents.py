"""The content of a database: its tables, the closed partitions among them, and the number and checksum of their rows.

The checksum of a table is the sum of the hashes of its rows as text, modulo 2^64. The order of rows does not matter, so
a restored table has the checksum of its original. PostgreSQL keeps these hashes the same over versions, because
partitions by hash depend on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, sql

from database.backups.manifest import Content
from database.backups.server import scalar
from database.sql import statement

# A partition is closed this long after its time, when its last results have arrived.
DAY_SETTLES_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with rows of its own: an ordinary one, or a leaf of a partitioned one."""

    name: str  # in the form of psql and pg_dump: with its schema, quoted if necessary
    plain_name: str  # without its schema
    parent: str | None  # the plain name of the partitioned table that it is part of
    bytes: int  # on disk, without indexes
    until: datetime | None  # a partition by time contains rows before this; None: no such partition
    signature: str  # changes whenever rows change; it may also change without (a restart after a crash)

    def is_closed(self, now: datetime) -> bool:
        """Return whether it is a partition of the past, which only late rows may still change."""
        return self.until is not None and self.until + DAY_SETTLES_AFTER <= now


def tables(connection: Connection[Any]) -> list[Table]:
    """Return all tables with rows of their own, by name. One query."""
    rows = connection.execute(statement("database", "tables").encode()).fetchall()
    return [
        Table(name=name, plain_name=plain_name, parent=parent, bytes=size, until=until, signature=signature)
        for name, plain_name, parent, size, until, signature in rows
    ]


def closed(connection: Connection[Any]) -> list[Table]:
    """Return the partitions whose time has passed, by the clock of the server."""
    now = scalar(connection, "SELECT now()")
    return [table for table in tables(connection) if table.is_closed(now)]


def parents(connection: Connection[Any]) -> list[str]:
    """Return the partitioned tables, which have no rows of their own."""
    rows = connection.execute(
        "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE relkind = 'p'"
    )
    return [name for (name,) in rows.fetchall()]


def content(connection: Connection[Any], table: str) -> Content:
    """Count and sum up a table. Reads it once, completely."""
    # The name comes from the catalogue or from a manifest; as a regclass it can only be the name of a table.
    name = connection.execute("SELECT %s::regclass::text", [table]).fetchone()
    assert name is not None
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(content::text, 0)), 0) FROM ONLY {} AS content"
    ).format(sql.SQL(name[0]))
    rows, total = connection.execute(query).fetchone() or (0, 0)
    return Content(rows=rows, checksum=f"{int(total) % 2**64:016x}")


def migrations(connection: Connection[Any]) -> Sequence[str]:
    """Return the migrations applied, as `app.name`; none if there is no such table."""
    (found,) = connection.execute("SELECT to_regclass('django_migrations')").fetchone() or (None,)
    if found is None:
        return []
    rows = connection.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1").fetchall()
    return [name for (name,) in rows]
