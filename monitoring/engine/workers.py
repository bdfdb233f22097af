"""Store the stamps of workers: when each was last seen, its counters and its clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from database.locks import wait_briefly
from monitoring.config.clock import AHEAD
from monitoring.engine import blindness
from monitoring.models import EngineWorker
from monitoring.states import counters
from monitoring.worker.canaries import unpacked

LATE_STAMP_AFTER = timedelta(seconds=20)  # four stamps missed
WORKER_FORGOTTEN_AFTER = timedelta(days=7)
# Keys in a worker's facts, of reasons by id of the services that it cannot probe.
UNPROBED_FACT = "unprobed"  # our rules forbid the address
UNRESOLVED_FACT = "unresolved"  # our DNS servers don't work


@transaction.atomic
def keep(stamp: Mapping[str, Any], now: datetime) -> None:
    """Store the newest stamp of a worker, and judge blindness by its canaries."""
    wait_briefly()
    _count_specs_ahead(stamp)
    look = unpacked(stamp.get("look"))
    if look is not None and stamp["region"]:
        blindness.judge([], look, stamp["region"].split(","), now=now)
    EngineWorker.objects.bulk_create(
        [
            EngineWorker(
                name=stamp["name"],
                role=stamp["role"],
                region=stamp["region"],
                started_at=datetime.fromisoformat(stamp["started_at"]),
                seen_at=now,
                counters=stamp["counters"],
                facts=_facts(stamp, now),
            )
        ],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["seen_at", "counters", "started_at", "facts"],
    )


def _count_specs_ahead(stamp: Mapping[str, Any]) -> None:
    """Record when a worker last refused specs; its own counter runs since its start, so it does not tell when."""
    before = EngineWorker.objects.filter(name=stamp["name"]).values_list("counters", flat=True).first() or {}
    if (more := stamp["counters"].get("ahead", 0) - before.get("ahead", 0)) > 0:
        counters.add("specs_ahead", more)


def is_alive(worker: EngineWorker, now: datetime) -> bool:
    return now - LATE_STAMP_AFTER <= worker.seen_at <= now + AHEAD


def seen_since(at: datetime, now: datetime) -> QuerySet[EngineWorker]:
    """Return the workers seen since `at`; a stamp from the future does not count, as its true time is unknown."""
    return EngineWorker.objects.filter(seen_at__range=(at, now + AHEAD))


def _facts(stamp: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the facts that a worker reports, and how long its stamp took to arrive.

    Both ends use the broker's clock, so the delay is that of the queue. Without it, their clocks contribute as well.
    """
    sent_at = stamp.get("sent_at")  # an older release sends neither
    behind = now - datetime.fromisoformat(sent_at) if sent_at else timedelta(0)
    facts = {**stamp.get("facts", {}), "behind_ms": round(behind.total_seconds() * 1000)}
    facts["clock_ahead_ms"] = stamp.get("clock_ahead_ms")
    return facts | {key: stamp[key] for key in (UNPROBED_FACT, UNRESOLVED_FACT) if stamp.get(key)}


def forget(now: datetime) -> int:
    """Delete workers not seen for a week, and return their number. Each restart of a worker creates a new name."""
    is_old = Q(seen_at__lt=now - WORKER_FORGOTTEN_AFTER) | Q(
        seen_at__gt=now + WORKER_FORGOTTEN_AFTER
    )  # stamps from the future: a clock was ahead
    deleted, _by_model = EngineWorker.objects.filter(is_old).delete()
    return deleted
