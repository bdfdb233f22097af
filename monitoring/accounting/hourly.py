"""Recompute hourly counts from the raw checks: whole hours, upserted, so that twice is once.

Each minute the running hour and the one before are read anew, which bounds both the cost (two hours of raw rows) and
how late a check may be to be counted here. On a machine where that takes long it is done more rarely, so that it never
keeps more than a twentieth of a core busy. These counts serve the dashboard alone; figures come from runs.
"""

import time
from datetime import datetime, timedelta

from django.db import connection, transaction

from database.locks import try_lock_in_transaction, wait_briefly
from database.sql import statement
from monitoring.models import Hour, ServiceHour
from monitoring.rules.histogram import GROWTH, LOWEST_MS

HOUR = timedelta(hours=1)
KEPT = timedelta(days=8)  # the dashboard looks back seven days
AT_ONCE = timedelta(days=1)  # read by one statement while catching up
REST = 20  # times as long as it took last


def roll_up(now: datetime) -> int:
    """Recompute the hours that may have changed, catch up those that are missing, and drop the old ones.

    Returns the number of hours read; 0 when somebody else is at it, or did it too short a while ago for what it costs.
    """
    began = time.monotonic()
    with transaction.atomic():
        wait_briefly()
        last = Hour.objects.order_by("hour_at").last()
        if not try_lock_in_transaction("hours") or (last and _is_resting(last, now)):
            return 0
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        since = max(this_hour - KEPT, min(last.hour_at, this_hour) - HOUR) if last else this_hour - KEPT
        start = since
        while start < now:
            _read(start, min(start + AT_ONCE, this_hour + HOUR), now)
            start += AT_ONCE
        for model in (Hour, ServiceHour):
            model.objects.filter(hour_at__lt=this_hour - KEPT).delete()
        took_ms = round((time.monotonic() - began) * 1000)
        Hour.objects.filter(computed_at=now).update(took_ms=took_ms)
    return (this_hour + HOUR - since) // HOUR


def _is_resting(last: Hour, now: datetime) -> bool:
    return timedelta(0) <= now - last.computed_at < timedelta(milliseconds=REST * last.took_ms)


def _read(since: datetime, until: datetime, now: datetime) -> None:
    stretch = {"since": since, "until": until}
    buckets = {"lowest_ms": LOWEST_MS, "growth": GROWTH}
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "roll_up_hours"), {**stretch, **buckets, "now": now})
        cursor.execute(statement("monitoring", "roll_up_service_hours"), stretch)
