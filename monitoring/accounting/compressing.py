"""Which days are folded when: each night those that have grown old enough, and those that a missed night has left.

A night's folding takes as many calls as it must, and then rests until the next one: days that somebody makes raw again
(`manage.py unfold`) stay so until then.
"""

import logging
import time
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time

from django.conf import settings

from database import nightly, partitions
from monitoring.accounting import retention
from monitoring.checks.compressed import moving
from monitoring.checks.compressed.kinds import KINDS

logger = logging.getLogger(__name__)

NAME = "folding"  # among the works of the night
BEGINS_AT = clock_time(3)  # of the page's day; a day that comes of age at noon waits for the night


def due(now: datetime, zone: tzinfo) -> list[date]:
    """Return the UTC days that have raw rows and ended `FOLD_AFTER_DAYS` before last night, oldest first."""
    night = nightly.latest(BEGINS_AT, now, zone).astimezone(UTC)
    last = night.date() - timedelta(days=settings.FOLD_AFTER_DAYS + 1)
    return sorted(day for day in set().union(*(partitions.existing(kind.raw) for kind in KINDS)) if day <= last)


def fold_due(now: datetime, zone: tzinfo, budget_s: float) -> list[date]:
    """Fold what is due, oldest day first, and return the days that are done; the rest has its turn at the next call.

    A day of which figures are still to be made stays raw. Must not run in a transaction, nor twice at once.
    """
    if not nightly.begin_or_go_on(NAME, BEGINS_AT, now, zone):
        return []
    ends_at = time.monotonic() + budget_s
    wanted, done = due(now, zone), list[date]()
    for day in wanted:
        if time.monotonic() >= ends_at:
            break
        if waiting := retention.unaccounted(day):
            logger.info("day stays raw until it is accounted", extra={"day": str(day), "waiting": waiting})
        elif moving.fold_day(day, ends_at):
            logger.info("day folded", extra={"day": str(day)})
            done.append(day)
    if done == wanted:
        nightly.finish(NAME, now)
    return done
