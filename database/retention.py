"""Free the space of old raw rows by whole days: dropping a partition takes milliseconds, deleting rows does not.

Apps register their raw tables with the number of days to keep and the work to do before a day may be dropped. A day
that may not be dropped yet stays, its work is requested, and the next night tries again; other days are not affected.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from database import partitions
from database.models import DroppedPartition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A table in day partitions (`database/partitions.py`) whose old days are dropped."""

    name: str
    keep_days: Callable[[], int]  # not counting today
    unfinished: Callable[[date], int]  # work that still needs the raw rows of a UTC day; 0: none. Changes nothing
    finish: Callable[[date], object] = lambda day: None  # requests the unfinished work, so that it is done by tomorrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """The result of retention for the days of one table that were due."""

    table: str
    dropped: Sequence[date]
    held: Sequence[date]  # still needed by unfinished work
    busy: Sequence[date]  # being read, by a dump for example

    def __str__(self) -> str:
        return f"{self.table}: {len(self.dropped)} dropped, {len(self.held)} held, {len(self.busy)} busy"


_registered: dict[str, RawTable] = {}


def register(table: RawTable) -> None:
    _registered[table.name] = table


def registered() -> list[RawTable]:
    return list(_registered.values())


def due(table: RawTable, now: datetime) -> list[date]:
    """Return the days of a table that are older than its limit, oldest first. One query."""
    return sorted(day for day in partitions.existing(table.name) if day < first_kept(table, now))


def first_kept(table: RawTable, now: datetime) -> date:
    """Return the oldest UTC day that the setting keeps."""
    return now.astimezone(UTC).date() - timedelta(days=table.keep_days())


def sweep(table: RawTable, now: datetime) -> Swept:
    """Drop the days of a table that are due and may be dropped. Must not run in a transaction."""
    dropped, held, busy = list[date](), list[date](), list[date]()
    for day in due(table, now):
        if table.unfinished(day):
            table.finish(day)
            held.append(day)
        elif busy or not _drop(table.name, day, now):  # a dump reads all days: don't wait for each
            busy.append(day)
        else:
            dropped.append(day)
    swept = Swept(table=table.name, dropped=dropped, held=held, busy=busy)
    _finish_halves(table, now)
    logger.info("retention", extra={"table": table.name, "dropped": len(dropped), "held": len(held), "busy": len(busy)})
    return swept


def is_whole(tables: Collection[str], start: datetime, end: datetime) -> bool:
    """Return whether the tables have all rows that they ever had in [start, end). One query."""
    first, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    return not DroppedPartition.objects.filter(table_name__in=tables, day__range=(first, last)).exists()


def _drop(table: str, day: date, now: datetime) -> bool:
    # Recorded first: readers must not take half a day for a complete one, whatever happens in between.
    DroppedPartition.objects.bulk_create(
        [DroppedPartition(table_name=table, day=day, size_bytes=partitions.size_of(table, day), dropped_at=now)],
        ignore_conflicts=True,
    )
    return partitions.drop(table, day)


def _finish_halves(table: RawTable, now: datetime) -> None:
    """Drop partitions that were detached in an earlier night and could not be dropped then."""
    for day in partitions.detached(table.name):
        if day < first_kept(table, now):
            partitions.drop(table.name, day)
