"""Move days between the raw tables and the compressed ones. A reader finds each row in exactly one of them.

A transaction deletes the rows of some services from one table and inserts them into the other. So no row is lost or
doubled when two processes compress the same day, or when one crashes and the day is compressed again. Code that moves
rows of a day, or stores a check whose day may be compressed already, holds the lock of that day.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from django.db import connection, transaction
from psycopg import sql

from database import partitions
from database.copying import copy_rows
from database.locks import lock_in_transaction
from monitoring.checks.compressed.kinds import KINDS, Kind, Row
from monitoring.rules.unix_time import from_ms

ROWS_AT_ONCE = 20_000  # in one transaction: about a second
T = TypeVar("T")
Key = tuple[str, str]  # service and region


def compress_day(day: date, ends_at: float) -> bool:
    """Compress the raw rows of a UTC day, drop its raw partitions, and return whether nothing is left to do.

    Stops when the monotonic clock reaches `ends_at`. Must not run in a transaction.
    """
    return all([_compress_table(kind, day, ends_at) for kind in KINDS])


def compress(kind: Kind[Row], day: date, service_ids: Collection[str]) -> int:
    """Compress the raw rows of a day of some services in one transaction, and return how many there were.

    Rows of that day that were compressed before are merged with them. The partition of the compressed table must exist.
    """
    with transaction.atomic():
        _lock(kind, [day])
        found = _take_raw(kind, day, service_ids)
        moved = sum(map(len, found.values()))
        for _day, service_id, region, content in _take_compressed(
            kind, [day], {service_id for service_id, _region in found}
        ):
            found[service_id, region] += kind.decompress(content)
        values = [(day, *key, *_counted(kind, rows)) for key, rows in found.items()]
        copy_rows(kind.compressed, ("day", "service_id", "region", "row_count", *kind.counts, "content"), values)
    return moved


def decompress(kind: Kind[Row], days: Collection[date], service_ids: Collection[str]) -> int:
    """Decompress days of some services into the raw table, and return how many rows there were.

    Must run in a transaction, which then holds the lock of those days, so that nobody compresses them before it ends.
    Raises IntegrityError when a partition of the raw table is missing; `make_room` creates it.
    """
    _lock(kind, days)
    moved = 0
    for _day, service_id, region, content in _take_compressed(kind, days, service_ids):
        values = [(from_ms(row[0]), *row[1:], service_id, region) for row in kind.decompress(content)]
        moved += copy_rows(kind.raw, (*kind.columns, "service_id", "region"), values)
    return moved


def make_room(days: Collection[date]) -> None:
    """Create the raw partitions for compressed days about to be decompressed. Best called outside a transaction."""
    for kind in KINDS:
        if wanted := set(days) & partitions.existing(kind.compressed):
            partitions.ensure(kind.raw, wanted)


def utc_days(start: datetime, end: datetime) -> list[date]:
    """Return the UTC days that [start, end) touches."""
    first, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _compress_table(kind: Kind[Any], day: date, ends_at: float) -> bool:
    if day not in partitions.existing(kind.raw):
        return True
    partitions.ensure(kind.compressed, {day})
    for service_ids in _batches(kind, day):
        if time.monotonic() >= ends_at:
            return False
        compress(kind, day, service_ids)
    return partitions.drop_empty(kind.raw, day)


def _batches(kind: Kind[Any], day: date) -> Iterator[list[str]]:
    """Yield the services with raw rows on a day, in batches of about `ROWS_AT_ONCE` rows."""
    with connection.cursor() as cursor:
        query = sql.SQL("SELECT service_id, count(*) FROM {} GROUP BY service_id ORDER BY service_id")
        cursor.execute(query.format(sql.Identifier(partitions.name_of(kind.raw, day))))
        counts = cursor.fetchall()
    batch, rows = list[str](), 0
    for service_id, count in counts:
        if batch and rows + count > ROWS_AT_ONCE:
            yield batch
            batch, rows = [], 0
        batch.append(service_id)
        rows += count
    if batch:
        yield batch


def _lock(kind: Kind[Any], days: Collection[date]) -> None:
    for day in sorted(days):
        # The name is that of earlier releases, so that a process of one of them waits during an upgrade.
        lock_in_transaction(f"folding of {kind.raw} {day}")


def _take_raw(kind: Kind[Row], day: date, service_ids: Collection[str]) -> defaultdict[Key, list[Row]]:
    """Delete the raw rows of a day from their table and return them, by service and region."""
    at = sql.Identifier(kind.at)
    columns = [
        *(sql.Identifier(name) for name in ("service_id", "region")),
        sql.SQL("(extract(epoch FROM {}) * 1000)::bigint").format(at),
        *(sql.SQL("{}::text").format(sql.Identifier(name)) if name == "metadata" else sql.Identifier(name)
          for name in kind.columns[1:]),
    ]  # fmt: skip
    statement = sql.SQL("DELETE FROM {} WHERE {} >= %s AND {} < %s AND service_id = ANY (%s) RETURNING {}")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            statement.format(sql.Identifier(kind.raw), at, at, sql.SQL(", ").join(columns)),
            [start, start + timedelta(days=1), list(service_ids)],
        )
        for service_id, region, *values in cursor:
            found[service_id, region].append(kind.make(values))
    return found


def _take_compressed(
    kind: Kind[Any], days: Collection[date], service_ids: Collection[str]
) -> list[tuple[date, str, str, bytes]]:
    """Delete compressed days from their table and return them."""
    statement = sql.SQL(
        "DELETE FROM {} WHERE day = ANY (%s) AND service_id = ANY (%s) RETURNING day, service_id, region, content"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.format(sql.Identifier(kind.compressed)), [list(days), list(service_ids)])
        return [(day, service_id, region, bytes(content)) for day, service_id, region, content in cursor]


def _counted(kind: Kind[Row], rows: list[Row]) -> Sequence[Any]:
    rows.sort(key=lambda row: row[0])
    return (len(rows), *(sum(map(counts, rows)) for counts in kind.counts.values()), kind.compress(rows))
