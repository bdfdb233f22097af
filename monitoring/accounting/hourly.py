"""Recompute hourly counts from the raw checks. Whole hours are upserted, so running twice is harmless.

Each minute the current hour and the previous one are read again. This limits the cost to two hours of raw rows; checks
that arrive later are not counted here. When reading takes long, it is done less often, so that it uses at most a
twentieth of a core. Only the dashboard uses these counts; figures come from runs.
"""

import time
from datetime import datetime, timedelta

from django.db import connection, transaction

from database.locks import try_lock_in_transaction, wait_briefly
from database.sql import statement
from monitoring.models import Hour, ServiceHour
from monitoring.rules.histogram import GROWTH, LOWEST_MS

HOUR = timedelta(hours=1)
HOURS_KEPT_FOR = timedelta(days=8)  # the dashboard looks back seven days
CATCH_UP_STEP = timedelta(days=1)  # read by one statement while catching up
REST_FACTOR = 20  # the pause after a roll-up, as a multiple of its duration


def roll_up(now: datetime) -> int:
    """Recompute the hours that may have changed, add missing ones, and delete old ones.

    Returns the number of hours read; 0 if another process is doing it, or did it too recently (`REST_FACTOR`).
    """
    began = time.monotonic()
    with transaction.atomic():
        wait_briefly()
        last = Hour.objects.order_by("hour_at").last()
        if not try_lock_in_transaction("hours") or (last and _is_resting(last, now)):
            return 0
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        since = (
            max(this_hour - HOURS_KEPT_FOR, min(last.hour_at, this_hour) - HOUR) if last else this_hour - HOURS_KEPT_FOR
        )
        start = since
        while start < now:
            _read(start, min(start + CATCH_UP_STEP, this_hour + HOUR), now)
            start += CATCH_UP_STEP
        for model in (Hour, ServiceHour):
            model.objects.filter(hour_at__lt=this_hour - HOURS_KEPT_FOR).delete()
        took_ms = round((time.monotonic() - began) * 1000)
        Hour.objects.filter(computed_at=now).update(took_ms=took_ms)
    return (this_hour + HOUR - since) // HOUR


def _is_resting(last: Hour, now: datetime) -> bool:
    return timedelta(0) <= now - last.computed_at < timedelta(milliseconds=REST_FACTOR * last.took_ms)


def _read(since: datetime, until: datetime, now: datetime) -> None:
    stretch = {"since": since, "until": until}
    buckets = {"lowest_ms": LOWEST_MS, "growth": GROWTH}
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "roll_up_hours"), {**stretch, **buckets, "now": now})
        cursor.execute(statement("monitoring", "roll_up_service_hours"), stretch)
