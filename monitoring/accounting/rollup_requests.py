"""Request the roll-up of days of services: insert a row, which `rollup.work_off` takes.

Closed days are requested in the same way, so a missed night is caught up.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.db import connection, transaction

from database.locks import lock_in_transaction
from database.sql import statement
from monitoring.models import RollupRequest, RollupWatermark, Service, UptimeRecord
from monitoring.rules.calendar_days import bounds, day_of, days_between

CHANGES_REACH_BACK = timedelta(days=90)
DAY_CLOSES_AFTER = timedelta(minutes=10)  # after its end, so that the last results of a day have arrived


def request(service_ids: Collection[str], days: Iterable[date], *, not_before: datetime | None = None) -> None:
    """Request days of services to be accounted again. One statement, which does not wait for a running roll-up."""
    RollupRequest.objects.bulk_create(
        RollupRequest(date=day, service_id=id, not_before=not_before) for day in days for id in service_ids
    )


def request_ranges(ranges: Iterable[tuple[str, datetime, datetime]], now: datetime, zone: tzinfo) -> None:
    """Request the closed days that changes affect, each given as a service with two instants. One statement.

    A late failure may be confirmed by another one days later, so all days between the instants are requested.
    """
    yesterday = day_of(now, zone) - timedelta(days=1)
    asked = {
        (day, service_id)
        for service_id, since, until in ranges
        for day in days_between(day_of(since, zone), min(day_of(until, zone), yesterday))
    }
    RollupRequest.objects.bulk_create(RollupRequest(date=day, service_id=id) for day, id in sorted(asked))


def accounted_until(now: datetime, zone: tzinfo) -> datetime:
    """Return the instant before which all days are closed, and may have been accounted."""
    return bounds(day_of(now - DAY_CLOSES_AFTER, zone), zone)[0]


def plan(now: datetime, zone: tzinfo) -> int:
    """Request the days that have closed since the last call, and return how many, summed over services.

    A day closes ten minutes after midnight, so that its last results have arrived. A missed night is caught up.
    """
    yesterday = day_of(now - DAY_CLOSES_AFTER, zone) - timedelta(days=1)
    with transaction.atomic():
        lock_in_transaction("rollup plan")
        watermark = RollupWatermark.objects.first()
        first = watermark.planned_until + timedelta(days=1) if watermark else _first_day(zone, yesterday)
        first = max(first, day_of(now - CHANGES_REACH_BACK, zone))
        if watermark and watermark.planned_until > yesterday:
            first = _close_again(yesterday)
        if first > yesterday:
            return 0
        asked = sum(request_missing(day, zone) for day in days_between(first, yesterday))
        RollupWatermark.objects.update_or_create(id=1, defaults={"planned_until": yesterday})
    return asked


def _close_again(yesterday: date) -> date:
    """Reopen days that are not over, which a clock that was ahead had closed; return the first day to close."""
    UptimeRecord.objects.filter(date__gt=yesterday, is_settled=True).update(is_settled=False)
    RollupWatermark.objects.update(planned_until=yesterday)
    return yesterday + timedelta(days=1)


def request_missing(day: date, zone: tzinfo) -> int:
    """Request a day of every service that existed on it and has no settled row. One statement."""
    start, end = bounds(day, zone)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"day": day, "start": start, "end": end, "zone": str(zone)}
        cursor.execute(statement("monitoring", "request_missing_days"), parameters)
        return int(cursor.rowcount)


def _first_day(zone: tzinfo, yesterday: date) -> date:
    """Return the day of the first service, or the next day if there is none."""
    created_at = Service.objects.order_by("created_at").values_list("created_at", flat=True).first()
    return day_of(created_at, zone) if created_at else yesterday + timedelta(days=1)
