"""How long raw checks are kept, and what must be accounted before a day of them may be dropped.

A partition is a day in UTC, but figures are of days in the page's time zone. A partition may be dropped when every page
day that it touches is settled for every service that existed then, and no roll-up of such a day is requested.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Model

from database import retention
from database.retention import RawTable
from database.sql import statement
from monitoring.accounting import rollup_requests
from monitoring.models import ApiResponseTime, CompressedChecks, CompressedRequests, WatchServerLog
from monitoring.rules.calendar_days import bounds, day_of, days_between


def page_days(day: date) -> Iterator[date]:
    """Yield the days of the page's time zone that a UTC day touches."""
    zone = settings.PAGE_TIME_ZONE
    start = datetime.combine(day, time(), UTC)
    yield from days_between(day_of(start, zone), day_of(start + timedelta(days=1, microseconds=-1), zone))


def unaccounted(day: date) -> int:
    """Return how many page days, summed over services, still need the raw rows of a UTC day. One query."""
    days = list(page_days(day))
    edges = [bounds(each, settings.PAGE_TIME_ZONE) for each in days]
    parameters: dict[str, Any] = {
        "days": days,
        "starts": [edge[0] for edge in edges],
        "ends": [edge[1] for edge in edges],
        "zone": str(settings.PAGE_TIME_ZONE),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "unaccounted"), parameters)
        return int(cursor.fetchone()[0])


def ask_for(day: date) -> None:
    """Request the page days of a UTC day that were never accounted, for example while the monitor was off."""
    for each in page_days(day):
        rollup_requests.request_missing(each, settings.PAGE_TIME_ZONE)


def _register(keep_days: Callable[[], int], *tables: type[Model]) -> None:
    for table in tables:
        name = table._meta.db_table
        retention.register(RawTable(name=name, keep_days=keep_days, unfinished=unaccounted, finish=ask_for))


_register(lambda: settings.KEEP_CHECKS_DAYS, WatchServerLog, CompressedChecks)
_register(lambda: settings.KEEP_RESPONSE_TIMES_DAYS, ApiResponseTime, CompressedRequests)
