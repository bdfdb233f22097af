"""Ask for days of services to be accounted again. Who asks leaves a row, and `rollup.work_off` takes it."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta, tzinfo

from monitoring.calendar_days import bounds, day_of, days_between
from monitoring.models import RollupRequest

CLOSING = timedelta(minutes=10)  # after its end, so that the last results of a day have arrived


def request(service_ids: Collection[str], days: Iterable[date], *, not_before: datetime | None = None) -> None:
    """Ask for days of services to be accounted again. One statement, and none that waits for a roll-up under way."""
    RollupRequest.objects.bulk_create(
        RollupRequest(date=day, service_id=id, not_before=not_before) for day in days for id in service_ids
    )


def request_ranges(ranges: Iterable[tuple[str, datetime, datetime]], now: datetime, zone: tzinfo) -> None:
    """Ask for the closed days that changes may reach, each a service with its first and last instant. One statement.

    A failure that comes to be known late may be confirmed by one of days later, so all days between are asked for.
    """
    yesterday = day_of(now, zone) - timedelta(days=1)
    asked = {
        (day, service_id)
        for service_id, since, until in ranges
        for day in days_between(day_of(since, zone), min(day_of(until, zone), yesterday))
    }
    RollupRequest.objects.bulk_create(RollupRequest(date=day, service_id=id) for day, id in sorted(asked))


def accounted_until(now: datetime, zone: tzinfo) -> datetime:
    """Return the instant before which days have closed, and may have been accounted."""
    return bounds(day_of(now - CLOSING, zone), zone)[0]
