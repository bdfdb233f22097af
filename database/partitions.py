"""Day partitions (UTC) of the raw tables: created ahead by a maintenance job or on demand, and dropped."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.utils import OperationalError
from psycopg import sql
from psycopg.errors import LockNotAvailable, QueryCanceled

from database.locks import lock_in_transaction

DAYS_AHEAD = 3  # the maintenance job may fail for as long before partitions are created on demand
ATTEMPTS = 5
LOCK_TIMEOUT = "2s"


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def ensure(table: str, days: set[date]) -> list[date]:
    """Create the missing day partitions of `table` and return their days.

    A partition is created separately and then attached, which locks the parent only against other DDL, so inserts go
    on. Run it outside a transaction that holds locks on the table; two processes may run it at the same time.
    """
    missing = sorted(days - existing(table))
    for day in missing:
        _retry_locked(table, day)
    return missing


def ensure_ahead(table: str, now: datetime) -> list[date]:
    """Create today's partition and those of the coming days."""
    return ensure(table, {now.astimezone(UTC).date() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)})


def existing(table: str) -> set[date]:
    """Return the days for which `table` has a partition. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
            " WHERE inhparent = %s::regclass",
            [table],
        )
        names = [row[0] for row in cursor.fetchall()]
    return {_day(name) for name in names if re.fullmatch(rf"{re.escape(table)}_\d{{8}}", name)}


def detached(table: str) -> set[date]:
    """Return the days whose partition was detached but not dropped. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition"
            " AND relname ~ %s AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %s::regclass)",
            [rf"^{re.escape(table)}_\d{{8}}$", table],
        )
        return {_day(row[0]) for row in cursor.fetchall()}


def size_of(table: str, day: date) -> int:
    """Return the bytes of a partition with its indexes; 0 if it doesn't exist."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)", [name_of(table, day)])
        return int(cursor.fetchone()[0])


def drop(table: str, day: date) -> bool:
    """Drop a day's partition and return whether it is gone; not while it is being read, as a dump does for an hour.

    It is detached concurrently, so neither inserts nor readers of other days wait for it: a plain DROP would request
    the parent's lock, wait behind the dump, and make all others wait behind itself. PostgreSQL detaches in two
    transactions; if the second fails, the partition is invisible and the next call continues from there. Must not run
    in a transaction.
    """
    child = sql.Identifier(name_of(table, day))
    try:
        with _lock_timeout(), connection.cursor() as cursor:
            _detach(cursor, table, day)
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(child))
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return False
        raise
    return True


def drop_empty(table: str, day: date) -> bool:
    """Drop an empty partition of a day and return whether it is gone; False while it has rows or is in use.

    Nobody waits longer than a fifth of a second for it: the lock of the parent is requested only for that long, and
    several times. Must not run in a transaction.
    """
    if day not in existing(table):
        return True
    with _lock_timeout(), connection.cursor() as cursor:
        try:
            # Clear away deleted rows first; otherwise the search for a row would read all dead ones.
            cursor.execute(sql.SQL("VACUUM {}").format(sql.Identifier(name_of(table, day))))
        except OperationalError as error:
            return _raise_unless_lock_timeout(error)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _drop_empty(table, day)
        except OperationalError as error:
            _raise_unless_lock_timeout(error)
            time.sleep(0.1 * attempt)
    return False


def _drop_empty(table: str, day: date) -> bool:
    parent, child = sql.Identifier(table), sql.Identifier(name_of(table, day))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', '200ms', true), set_config('statement_timeout', '500ms', true)"
        )
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(parent))
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(child))
        if cursor.fetchone()[0]:
            return False  # another process was faster
        cursor.execute(sql.SQL("DROP TABLE {}").format(child))
        return True


def _raise_unless_lock_timeout(error: OperationalError) -> Literal[False]:
    """Return False if a wait for a lock or a statement reached its limit; raise any other error."""
    if isinstance(error.__cause__, LockNotAvailable | QueryCanceled):
        return False
    raise error


def _detach(cursor: CursorWrapper, table: str, day: date) -> None:
    """Detach a partition unless it is detached already. A table has at most one half-detached partition: finish it."""
    name, parent = name_of(table, day), sql.Identifier(table)
    cursor.execute(
        "SELECT child.relname, inhdetachpending FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
        " WHERE inhparent = %s::regclass AND (inhdetachpending OR child.relname = %s) ORDER BY inhdetachpending DESC",
        [table, name],
    )
    for found, is_pending in cursor.fetchall():
        how = sql.SQL("FINALIZE" if is_pending else "CONCURRENTLY")
        statement = sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}")
        cursor.execute(statement.format(parent, sql.Identifier(found), how))


@contextmanager
def _lock_timeout() -> Iterator[None]:
    """Limit the wait for locks, for the whole session, because there is no transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
        try:
            yield
        finally:
            cursor.execute("RESET lock_timeout")


def _day(partition: str) -> date:
    return datetime.strptime(partition[-8:], "%Y%m%d").replace(tzinfo=UTC).date()


def _retry_locked(table: str, day: date) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _create(table, day)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or attempt == ATTEMPTS:
                raise
            time.sleep(0.1 * attempt)


def _create(table: str, day: date) -> None:
    parent, child = sql.Identifier(table), sql.Identifier(name_of(table, day))
    start, end = (sql.Literal(f"{edge:%Y-%m-%d} 00:00:00+00") for edge in (day, day + timedelta(days=1)))
    with transaction.atomic(), connection.cursor() as cursor:
        # Without a limit, our wait for the parent would queue every insert behind a long reader.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        lock_in_transaction(f"partitions of {table}")
        if day in existing(table):
            return  # another process was faster
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(child, parent))
        cursor.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(parent, child, start, end)
        )
