"""A snapshot of a database, shared by our own queries and pg_dump."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from database.backups.dump import Dumper
from database.backups.programs import programs_for
from database.backups.server import Server, major


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A transaction with a fixed snapshot, and pg_dump on the same one."""

    connection: Connection[Any]
    dumper: Dumper
    taken_at: datetime
    server_major: int


@contextmanager
def snapshot(server: Server) -> Iterator[Snapshot]:
    """Hold a snapshot during the block; dead rows can't be cleaned up until its end, so keep it short."""
    with server.connect() as connection:
        version = major(connection)
        programs = programs_for(version)
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            name, taken_at = connection.execute("SELECT pg_export_snapshot(), now()").fetchone() or ("", None)
            assert taken_at is not None
            yield Snapshot(
                connection=connection,
                dumper=Dumper(server=server, programs=programs, snapshot=name),
                taken_at=taken_at,
                server_major=version,
            )
