"""Day partitions (UTC) of the raw tables: made ahead by upkeep, and on demand by whoever finds one missing."""

import re
import time
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from django.db.utils import OperationalError
from psycopg import sql
from psycopg.errors import LockNotAvailable

from database.locks import lock_in_transaction

DAYS_AHEAD = 3  # a long holiday of the upkeep task may pass before on-demand creation has to step in
ATTEMPTS = 5


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def ensure(table: str, days: set[date]) -> list[date]:
    """Make the missing day partitions of `table` and return their days.

    A partition is created apart and then attached, which locks the parent only against other DDL, so inserts go on.
    Run it outside a transaction that holds locks on the table; two processes may run it at the same time.
    """
    missing = sorted(days - existing(table))
    for day in missing:
        _retry_locked(table, day)
    return missing


def ensure_ahead(table: str, now: datetime) -> list[date]:
    """Make today's partition and those of the coming days."""
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
    found = (re.fullmatch(rf"{re.escape(table)}_(\d{{8}})", name) for name in names)
    return {datetime.strptime(match[1], "%Y%m%d").date() for match in found if match}


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
        lock_in_transaction(f"partitions of {table}")
        if day in existing(table):
            return  # another process was quicker
        # Without a limit our wait for the parent would queue every insert behind a long reader.
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(child, parent))
        cursor.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(parent, child, start, end)
        )
