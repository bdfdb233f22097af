"""Dispatch the slots of the next second: find the due services, move the watermark, then publish complete specs.

The watermark is committed before anything is published, so two dispatchers at once do no harm and no slot is dispatched
twice. After a crash in between, the slots of that second are gaps.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from database.sql import statement
from monitoring.models import DispatchWatermark
from monitoring.models.engine import LEAD
from monitoring.probes.model import ProbeSpec
from monitoring.rules.unix_time import to_ms
from monitoring.worker.specs import DueService, spec_of

logger = logging.getLogger(__name__)

LOOK_BACK = timedelta(seconds=2)  # after a longer pause, missed slots are skipped and counted, not dispatched late
BATCH = 100

Publish = Callable[[str, Sequence[ProbeSpec]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The slots that one tick dispatched and skipped."""

    since: datetime
    until: datetime
    dispatched: int
    skipped: int


def dispatch_due(now: datetime, publish: Publish) -> Tick | None:
    """Publish the slots up to `LEAD` ahead of `now`, by region and in batches; None when another dispatcher was faster.

    Slots that cannot be published become gaps, since the watermark has passed them.
    """
    with transaction.atomic():
        watermark = _watermark(now)
        since, until = _window(watermark, now)
        if since >= until:
            return None
        due = _due(since, until)
        by_region = _specs_by_region(due)
        dispatched = sum(map(len, by_region.values()))
        skipped = _count_skipped(watermark.dispatched_until, since)
        if not _advance(watermark, until, dispatched, skipped):
            transaction.set_rollback(True)  # so that the faster dispatcher finds the rechecks
            return None
    if skipped:
        _report(skipped, since, watermark.stopped_at)
    for region, specs in by_region.items():
        for start in range(0, len(specs), BATCH):
            publish(region, specs[start : start + BATCH])
    return Tick(since=since, until=until, dispatched=dispatched, skipped=skipped)


def note_stop(now: datetime) -> None:
    """Note that a dispatcher ends because it was asked to, so that the slots until the next start alarm nobody."""
    DispatchWatermark.objects.update(stopped_at=now)


def _report(skipped: int, since: datetime, stopped_at: datetime | None) -> None:
    if stopped_at is None:
        logger.error("slots skipped after a pause", extra={"skipped": skipped, "since": str(since)})
    else:
        logger.info("dispatching again after a stop", extra={"skipped": skipped, "stopped_at": str(stopped_at)})


def ranges(interval_ms: int, since_ms: int, until_ms: int) -> list[tuple[int, int, int]]:
    """Return (phase from, phase until, base) such that base + phase are exactly the slots in [since, until).

    A slot is phase + k × interval since the epoch, with 0 ≤ phase < interval.
    """
    base = since_ms - since_ms % interval_ms
    found = []
    while base < until_ms:
        found.append((max(0, since_ms - base), min(interval_ms, until_ms - base), base))
        base += interval_ms
    return found


def _watermark(now: datetime) -> DispatchWatermark:
    watermark, _created = DispatchWatermark.objects.get_or_create(id=1, defaults={"dispatched_until": now})
    return watermark


def _window(watermark: DispatchWatermark, now: datetime) -> tuple[datetime, datetime]:
    until = now + LEAD
    if watermark.is_ahead(now):
        # The clock had been ahead and was set back. Waiting until it catches up would leave a gap as long as the leap,
        # in which no outage would be reported. Slots that already have rows are measured again (see `future.py`).
        return now, until
    return max(watermark.dispatched_until, now - LOOK_BACK), until


def _due(since: datetime, until: datetime) -> list[DueService]:
    since_ms, until_ms = to_ms(since), to_ms(until)
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "intervals"))
        due = [(row[0], *span) for row in cursor.fetchall() for span in ranges(row[0], since_ms, until_ms)]
        intervals, phases_from, phases_until, bases_ms = zip(*due, strict=True) if due else ([], [], [], [])
        cursor.execute(
            statement("monitoring", "due"),
            {
                "intervals": list(intervals),
                "phases_from": list(phases_from),
                "phases_until": list(phases_until),
                "bases_ms": list(bases_ms),
            },
        )
        regular = [DueService(*row) for row in cursor.fetchall()]
        cursor.execute(statement("monitoring", "due_rechecks"), {"since": since, "until": until})
        # A regular slot in the same second confirms a failure as well as a recheck.
        planned = {service.id for service in regular}
        return regular + [DueService(*row) for row in cursor.fetchall() if row[0] not in planned]


def _specs_by_region(due: Sequence[DueService]) -> dict[str, list[ProbeSpec]]:
    """Return the specs of each region in order of their slots, the order in which a worker starts them."""
    by_region: defaultdict[str, list[ProbeSpec]] = defaultdict(list)
    for service in sorted(due, key=lambda service: service.slot_ms):
        for region in service.regions:
            by_region[region].append(spec_of(service, region))
    return by_region


def _count_skipped(dispatched_until: datetime, since: datetime) -> int:
    if dispatched_until >= since:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            statement("monitoring", "skipped"), {"since_ms": to_ms(dispatched_until), "until_ms": to_ms(since)}
        )
        return int(cursor.fetchone()[0])


def _advance(watermark: DispatchWatermark, until: datetime, dispatched: int, skipped: int) -> bool:
    """Move the watermark unless somebody moved it since it was read."""
    unmoved = DispatchWatermark.objects.filter(dispatched_until=watermark.dispatched_until)
    return (
        unmoved.update(
            dispatched_until=until,
            dispatched_slots=watermark.dispatched_slots + dispatched,
            skipped_slots=watermark.skipped_slots + skipped,
            stopped_at=None,
        )
        == 1
    )
