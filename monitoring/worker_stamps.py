"""Workers say by themselves that they are alive: a message every few seconds, through the queue of their results.

So a worker needs no database for it, and a stamp that arrives proves the whole way and not only the process.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from kombu.exceptions import OperationalError

from database.locks import wait_briefly
from monitoring import blindness, clock, counters
from monitoring.canaries import Look, packed, unpacked
from monitoring.clock import AHEAD
from monitoring.models import EngineWorker

logger = logging.getLogger(__name__)

EVERY_S = 5.0
LATE = timedelta(seconds=20)  # four stamps missed
FORGOTTEN = timedelta(days=7)
UNPROBED = "unprobed"  # among a worker's facts: why it may not probe a service, by its id
PROBES = "probes."  # and the region: a queue of probe workers
PROBE, ENGINE, DISPATCH = ROLES = ("probe", "engine", "dispatch")


class Stamper:
    """Send stamps from a thread of its own until it is stopped."""

    def __init__(
        self,
        *,
        send: Callable[[dict[str, Any]], object],
        name: str,
        role: str,
        region: str | None,
        counters: Callable[[], Mapping[str, int]],
        look: Callable[[], Look | None] = lambda: None,
        facts: Mapping[str, Any] | None = None,
        unprobed: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._send, self._counters, self._look = send, counters, look
        self._unprobed = unprobed
        self._about: dict[str, Any] = {"name": name, "role": role, "region": region, "started_at": _now()}
        self._about["facts"] = dict(facts or {})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stamper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(1)

    def _run(self) -> None:
        while True:
            try:
                said = {"counters": dict(self._counters()), "look": packed(self._look())}
                said["unprobed"] = dict(self._unprobed())
                self._send({**self._about, **said, "sent_at": _now(), "clock_ahead_ms": _clock_ahead_ms()})
            except OperationalError as error:
                logger.warning("stamp not sent: the broker cannot be reached", extra={"why": str(error)})
            except Exception:  # whatever it is, the next stamp must be tried, or a worker that works is taken for dead
                logger.exception("stamp not sent")
            if self._stopping.wait(EVERY_S):
                return


def role_of(queues: Collection[str]) -> str:
    """Return the role of a worker of these queues; with further queues it is no dispatcher, as they may hold it up."""
    if any(name.startswith(PROBES) for name in queues):
        return PROBE
    return DISPATCH if set(queues) == {"dispatch"} else ENGINE


def unique_name(hostname: str) -> str:
    """Tell apart workers of the same name: on another machine, or before and after a restart."""
    return f"{hostname} {socket.gethostname()} {os.getpid()}"


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
    return now - LATE <= worker.seen_at <= now + AHEAD


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
    return {**facts, UNPROBED: stamp["unprobed"]} if stamp.get("unprobed") else facts


def _now() -> str:
    return clock.now().isoformat()


def _clock_ahead_ms() -> int | None:
    ahead = clock.of_broker().wall_ahead()
    return None if ahead is None else round(ahead.total_seconds() * 1000)


def forget(now: datetime) -> int:
    """Delete workers that were not seen for a week: each restart makes a new name. Returns how many."""
    is_old = Q(seen_at__lt=now - FORGOTTEN) | Q(seen_at__gt=now + FORGOTTEN)  # the latter by a clock that was ahead
    deleted, _by_model = EngineWorker.objects.filter(is_old).delete()
    return deleted
