"""Nightly jobs: each runs once a night, at or after a time of the page's day, however often it is called.

Beat calls every few minutes and keeps no state; a row does. So after a night on which the monitor was off, the job runs
once when it is on again, and a run that failed or was killed is repeated after an hour.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta, tzinfo

from django.utils import timezone

from database.locks import one_at_a_time
from database.models import NightlyRun

RETRY_AFTER = timedelta(hours=1)


@contextmanager
def once_a_night(name: str, at: time, now: datetime, zone: tzinfo) -> Iterator[bool]:
    """Yield whether the job of this name is due and ours, and record how it ended.

    Must not be called in a transaction: the record would wait for its end.
    """
    with one_at_a_time(f"nightly {name}") as is_ours:
        if not is_ours or not is_due(name, at, now, zone):
            yield False
            return
        NightlyRun.objects.update_or_create(name=name, defaults={"begun_at": now, "finished_at": None, "error": ""})
        try:
            yield True
        except Exception as error:
            NightlyRun.objects.filter(name=name).update(error=f"{type(error).__name__}: {error}"[:500])
            raise
        NightlyRun.objects.filter(name=name).update(finished_at=timezone.now())


def begin_or_go_on(name: str, at: time, now: datetime, zone: tzinfo) -> bool:
    """Return whether the night's job of this name, which takes several calls, is still to be done; record its start.

    It is to be done until `finish` is called. Must not be called twice at once.
    """
    last = NightlyRun.objects.filter(name=name).first()
    if last is not None and last.begun_at >= latest(at, now, zone):
        return last.finished_at is None
    NightlyRun.objects.update_or_create(name=name, defaults={"begun_at": now, "finished_at": None, "error": ""})
    return True


def finish(name: str, now: datetime) -> None:
    """End a job of several calls until the next night."""
    NightlyRun.objects.filter(name=name).update(finished_at=now)


def is_due(name: str, at: time, now: datetime, zone: tzinfo) -> bool:
    """Return whether the job was not begun since the clock last showed `at`, or has to be repeated."""
    last = NightlyRun.objects.filter(name=name).first()
    if last is None or last.begun_at < latest(at, now, zone):
        return True
    return last.finished_at is None and last.begun_at <= now - RETRY_AFTER


def latest(at: time, now: datetime, zone: tzinfo) -> datetime:
    """Return the last time that the clock of the zone showed `at`."""
    today = now.astimezone(zone).date()
    # A time that the clocks skip is mapped to the instant of the leap or just after it: that night has its run, too.
    tonight = datetime.combine(today, at, zone)
    return tonight if tonight <= now else datetime.combine(today - timedelta(days=1), at, zone)
