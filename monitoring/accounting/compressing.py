"""Compress old days each night: those that became old enough, and those that a missed night left.

Compression takes several calls a night. Once it is done, it waits for the next night, so days that were decompressed
with `manage.py decompress` stay raw until then.
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

NAME = "folding"  # of the row in `NightlyRun`; earlier releases wrote it, so it stays
BEGINS_AT = clock_time(3)  # in the zone of the page; a day that is old enough at noon waits for the night


def due(now: datetime, zone: tzinfo) -> list[date]:
    """Return the UTC days that have raw rows and ended `COMPRESS_AFTER_DAYS` before last night, oldest first."""
    night = nightly.latest(BEGINS_AT, now, zone).astimezone(UTC)
    last = night.date() - timedelta(days=settings.COMPRESS_AFTER_DAYS + 1)
    return sorted(day for day in set().union(*(partitions.existing(kind.raw) for kind in KINDS)) if day <= last)


def compress_due(now: datetime, zone: tzinfo, budget_s: float) -> list[date]:
    """Compress the days that are due, oldest first, and return those that are done; the next call goes on.

    A day that is still to be accounted stays raw. Must not run in a transaction, nor twice at once.
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
        elif moving.compress_day(day, ends_at):
            done.append(day)
    if done:
        logger.info("days compressed", extra={"days": len(done), "first": str(done[0]), "last": str(done[-1])})
    if done == wanted:
        nightly.finish(NAME, now)
    return done
