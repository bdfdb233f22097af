"""Keep what workers say of themselves in their stamps: when each was seen last, what it counts, and its clock."""

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
UNPROBED_FACT = "unprobed"  # among a worker's facts: why it may not probe a service, by its id


@transaction.atomic
def keep(stamp: Mapping[str, Any], now: datetime) -> None:
    """Keep the newest stamp of a worker, and judge by what its canaries say."""
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
    """Note when a worker refused specs: it counts them since its start, which does not say whether it still does."""
    before = EngineWorker.objects.filter(name=stamp["name"]).values_list("counters", flat=True).first() or {}
    if (more := stamp["counters"].get("ahead", 0) - before.get("ahead", 0)) > 0:
        counters.add("specs_ahead", more)


def is_alive(worker: EngineWorker, now: datetime) -> bool:
    return now - LATE_STAMP_AFTER <= worker.seen_at <= now + AHEAD


def seen_since(at: datetime, now: datetime) -> QuerySet[EngineWorker]:
    """Choose the workers that were seen since then; a stamp in the future says nothing of when it was made."""
    return EngineWorker.objects.filter(seen_at__range=(at, now + AHEAD))


def _facts(stamp: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return what a worker says of itself, and how long its stamp took.

    Both ends go by the broker's clock, so that is the queue's doing; where there is none, it is their clocks' as well.
    """
    sent_at = stamp.get("sent_at")  # an older release sends neither
    behind = now - datetime.fromisoformat(sent_at) if sent_at else timedelta(0)
    facts = {**stamp.get("facts", {}), "behind_ms": round(behind.total_seconds() * 1000)}
    facts["clock_ahead_ms"] = stamp.get("clock_ahead_ms")
    return {**facts, UNPROBED_FACT: stamp["unprobed"]} if stamp.get("unprobed") else facts


def forget(now: datetime) -> int:
    """Delete workers that were not seen for a week: each restart makes a new name. Returns how many."""
    is_old = Q(seen_at__lt=now - WORKER_FORGOTTEN_AFTER) | Q(
        seen_at__gt=now + WORKER_FORGOTTEN_AFTER
    )  # the latter by a clock that was ahead
    deleted, _by_model = EngineWorker.objects.filter(is_old).delete()
    return deleted
