"""Diagnose the size of the database, its growth, and the days until the disk is full."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from database.models import DatabaseSize
from database.sql import statement
from observability.diagnostics import Finding, Table, bad, good, note, warning
from slamonitor.doctor.words import ago, count, size

GROWTH_LOOK_BACK = timedelta(days=14)
DAYS_LEFT_SOON, DAYS_LEFT_LATE = 30, 5
FREE_LITTLE, FREE_NONE = 0.15, 0.05  # free shares of the disk
MOST_ROWS_SHOWN = 25


class TableSize(NamedTuple):
    """A table, including its partitions."""

    name: str
    partitions: int
    table_bytes: int
    index_bytes: int
    live_rows: int
    dead_rows: int
    vacuumed_at: datetime | None


class IndexSize(NamedTuple):
    """An index, including those of the partitions."""

    name: str
    table: str
    bytes: int
    scans: int
    is_valid: bool


def database_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def tables() -> list[TableSize]:
    """Return every table, the largest first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(statement("slamonitor", "table_sizes"), {})
        return [TableSize(*row) for row in cursor.fetchall()]


def sizes_of_tables() -> Finding:
    found, now = tables(), timezone.now()
    columns = [_("Table"), _("Size"), _("Indexes"), _("Live rows"), _("Dead rows"), _("Partitions"), _("Last vacuum")]
    rows = [
        [
            each.name,
            size(each.table_bytes),
            size(each.index_bytes),
            count(each.live_rows),
            count(each.dead_rows),
            count(each.partitions) if each.partitions else "",
            ago(each.vacuumed_at, now),
        ]
        for each in found[:MOST_ROWS_SHOWN]
    ]
    words = {"size": size(database_bytes()), "tables": len(found)}
    return good(_("%(size)s in %(tables)s tables") % words, Table(columns=columns, rows=rows))


def sizes_of_indexes() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(statement("slamonitor", "index_sizes"), {})
        return judge_indexes([IndexSize(*row) for row in cursor.fetchall()])


def judge_indexes(found: Sequence[IndexSize]) -> Finding:
    """Judge indexes; an invalid one, as after a failed CREATE INDEX CONCURRENTLY, is not used."""
    rows = [[each.name, each.table, size(each.bytes), count(each.scans)] for each in found[:MOST_ROWS_SHOWN]]
    columns = [_("Index"), _("Table"), _("Size"), _("Reads")]
    table = Table(columns=columns, rows=rows, numbers_from=2)
    broken = [each.name for each in found if not each.is_valid]
    if broken:
        says = _("These indexes are invalid: %(names)s") % {"names": ", ".join(broken)}
        return bad(says, _("Rebuild it: REINDEX INDEX CONCURRENTLY %(name)s;") % {"name": broken[0]}, table)
    words = {"size": size(sum(each.bytes for each in found)), "count": len(found)}
    return good(_("%(size)s in %(count)s indexes, all valid") % words, table)


def room() -> Finding:
    now = timezone.now()
    measured = list(
        DatabaseSize.objects.filter(measured_at__gte=now - GROWTH_LOOK_BACK)
        .order_by("measured_at")
        .values_list("measured_at", "size_bytes")
    )
    daily = growth(measured)
    path = disk_of_database()
    if path is None:
        return unseen(daily)
    usage = shutil.disk_usage(path)
    return judge_room(free=usage.free, total=usage.total, daily=daily)


def growth(measured: Sequence[tuple[datetime, int]]) -> float | None:
    """Return the growth in bytes a day from measurements in order of time; None if they span less than two days."""
    if len(measured) < 2:
        return None
    (first_at, first), (last_at, last) = measured[0], measured[-1]
    days = (last_at - first_at) / timedelta(days=1)
    return (last - first) / days if days >= 0.9 else None


def disk_of_database() -> Path | None:
    """Return a local path on PostgreSQL's disk: `DATABASE_DISK`, or the data folder of a local server."""
    if settings.DATABASE_DISK:
        return Path(settings.DATABASE_DISK)
    with connection.cursor() as cursor:
        # Over a Unix socket the server runs here. A role without permission to read the setting gets no row.
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory' AND inet_server_addr() IS NULL")
        found = cursor.fetchone()
    try:
        return Path(found[0]) if found and Path(found[0]).exists() else None
    except PermissionError:
        return None


def unseen(daily: float | None) -> Finding:
    says = _("The disk of PostgreSQL is not visible from this machine.")
    remedy = _("Set DATABASE_DISK to a directory on the same disk that this machine can see.")
    return note(f"{says} {grows(daily)}", remedy)


def judge_room(*, free: int, total: int, daily: float | None) -> Finding:
    """Judge the free space by its share of the disk, and by the days until the disk is full at the recent growth."""
    days = free / daily if daily and daily > 0 else None
    words = {"free": size(free), "total": size(total)}
    says = " ".join([_("%(free)s of %(total)s are free.") % words, grows(daily), lasts(days)]).strip()
    remedy = _(
        "Use a larger disk, or store less data: KEEP_CHECKS_DAYS, KEEP_RESPONSE_TIMES_DAYS, or longer check intervals."
    )
    if free < FREE_NONE * total or (days is not None and days < DAYS_LEFT_LATE):
        return bad(says, remedy)
    if free < FREE_LITTLE * total or (days is not None and days < DAYS_LEFT_SOON):
        return warning(says, remedy)
    return good(says)


def grows(daily: float | None) -> str:
    if daily is None:
        return _("The growth of the database is known after two nights.")
    if daily <= 0:
        return _("The database does not grow.")
    return _("The database grows by %(size)s a day.") % {"size": size(daily)}


def lasts(days: float | None) -> str:
    if days is None:
        return ""
    if days > 3650:
        return _("This is enough for more than ten years.")
    return _("At this rate the disk will be full in %(days)s days.") % {"days": count(days)}
