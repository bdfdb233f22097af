"""Check in which time zone stored days were accounted, and account them again in another one.

A calendar day covers a different time in each zone. So each daily row stores its zone, and only rows of the zone in the
settings are read. While rows of another zone are stored, processes that account days refuse to start: run `rezone`
first. Zones are compared by name: for two names of the same zone (UTC, Etc/UTC), days are accounted again with the same
result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from database import changes, retention
from database.batches import batches
from database.locks import lock_in_transaction
from database.sql import statement
from monitoring.accounting import rollup, rollup_requests
from monitoring.accounting.compressing import due
from monitoring.accounting.day import Day, account_day
from monitoring.checks.compressed.moving import compress_day, utc_days
from monitoring.models import ApiCallLog, RollupRequest, RollupWatermark, UptimeRecord
from monitoring.models.compressed import COMPRESSED_TABLES
from monitoring.models.raw import RAW_TABLES
from monitoring.rules.calendar_days import bounds, day_of, days_between

REMEDY = (
    "Account all days again in this zone: manage.py rollup --rezone (add --dry-run to see what"
    " would change). If `manage.py up` runs the database: manage.py up --rezone. Or set"
    " PAGE_TIME_ZONE to the previous value."
)


class OtherZone(Exception):
    """Days are stored that were accounted in another time zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rezoned:
    """One day of some services, accounted in the zone."""

    date: date
    service_ids: Sequence[str]
    days: Sequence[Day]
    is_recounted: bool  # False: raw rows are deleted, so counts and response times stay those of the old day


def others(zone: tzinfo, cursor: Any = None) -> list[str]:
    """Return other zones of stored days, at most two. One query."""
    if cursor is None:
        with connection.cursor() as own:
            return others(zone, own)
    cursor.execute(statement("monitoring", "zones_of_days"))
    return sorted({name for name in cursor.fetchone() if name is not None} - {str(zone)})


def words(found: Sequence[str], zone: tzinfo) -> str:
    """Return the message that days of other zones are stored, with the remedy."""
    return f"PAGE_TIME_ZONE: it is {zone}, and stored days were accounted in another time zone ({', '.join(found)})."


def require(zone: tzinfo) -> None:
    """Raise `OtherZone` if stored days are of another zone, as they cannot be combined with new ones."""
    if found := others(zone):
        raise OtherZone(f"{words(found, zone)} {REMEDY}")


def foreign(zone: tzinfo) -> QuerySet[UptimeRecord]:
    """Return the rows of other zones."""
    return UptimeRecord.objects.exclude(time_zone=str(zone))


def dates(now: datetime, zone: tzinfo) -> list[date]:
    """Return the days that are still to be accounted in the zone, oldest first."""
    found = foreign(zone).filter(date__lte=day_of(now, zone)).exclude(policy=None, metadata__sample=True)
    return sorted(found.values_list("date", flat=True).distinct())


@transaction.atomic
def prepare(now: datetime, zone: tzinfo) -> int:
    """Prepare for `rezone` and return how many sample days were relabelled. Idempotent.

    Days that are not closed in the zone are scheduled again by its calendar, and days that have not begun are deleted.
    """
    lock_in_transaction("rollup plan")
    today, yesterday = day_of(now, zone), day_of(now - rollup_requests.DAY_CLOSES_AFTER, zone) - timedelta(days=1)
    RollupWatermark.objects.filter(planned_until__gt=yesterday).update(planned_until=yesterday)
    RollupRequest.objects.filter(date__gt=yesterday).delete()
    for model in (UptimeRecord, ApiCallLog):
        model.objects.filter(date__gt=today).exclude(time_zone=str(zone)).delete()
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "relabel_sample_days"), {"zone": str(zone)})
        relabelled = int(cursor.rowcount)
    changes.bump("page")
    return relabelled


def rezone(day: date, now: datetime, zone: tzinfo, *, is_dry_run: bool = False) -> Iterator[Rezoned]:
    """Account a day of the services whose row is of another zone, batch by batch, each in a transaction of its own.

    After an interruption, call it again: it continues with the remaining rows. Checks and requests are counted again if
    all rows of the new day are kept, raw or compressed.
    """
    rows = foreign(zone).filter(date=day).exclude(policy=None, metadata__sample=True)
    ids = sorted(rows.values_list("service_id", flat=True))
    is_recounted = retention.is_whole((*RAW_TABLES, *COMPRESSED_TABLES), *bounds(day, zone))
    for batch in batches(ids, rollup.BATCH):
        days = (account_day if is_dry_run else _account)(day, batch, now, zone)
        yield Rezoned(date=day, service_ids=batch, days=days, is_recounted=is_recounted)


@transaction.atomic
def _account(day: date, service_ids: Sequence[str], now: datetime, zone: tzinfo) -> list[Day]:
    days = rollup.roll_up(day, service_ids, now, zone, recounts=True)
    if day < day_of(now - rollup_requests.DAY_CLOSES_AFTER, zone):
        unsettled = [each.service.id for each in days if not each.account.is_settled]
        rollup_requests.request(unsettled, [day], not_before=now + rollup.UNSETTLED_WAIT)
    return days


def compress_until(day: date, now: datetime, zone: tzinfo) -> None:
    """Compress days again that were decompressed to be counted and end before `day`. Must not run in a transaction."""
    first_needed = utc_days(*bounds(day, zone))[0]
    for each in due(now, zone):
        if each < first_needed:
            compress_day(each, float("inf"))


def request_missing(first: date, now: datetime, zone: tzinfo) -> int:
    """Request days that exist in this zone only, such as the first day of a service; return how many."""
    yesterday = day_of(now - rollup_requests.DAY_CLOSES_AFTER, zone) - timedelta(days=1)
    return sum(rollup_requests.request_missing(day, zone) for day in days_between(first - timedelta(days=1), yesterday))
