"""Workers say by themselves that they are alive: a message every few seconds, through the queue of their results.

So a worker needs no database for it, and a stamp that arrives proves the whole way and not only the process.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

from database.locks import wait_briefly
from monitoring import blindness
from monitoring.canaries import Look, packed, unpacked
from monitoring.models import EngineWorker

logger = logging.getLogger(__name__)

EVERY_S = 5.0
LATE = timedelta(seconds=20)  # four stamps missed
FORGOTTEN = timedelta(days=7)
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
    ) -> None:
        self._send, self._counters, self._look = send, counters, look
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
                said = {"counters": dict(self._counters()), "look": packed(self._look()), "sent_at": _now()}
                self._send({**self._about, **said})
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


def is_alive(worker: EngineWorker, now: datetime) -> bool:
    return worker.seen_at >= now - LATE


def _facts(stamp: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return what a worker says of itself and how long its stamp took, by its clock and ours."""
    sent_at = stamp.get("sent_at")  # an older release sends neither
    behind = now - datetime.fromisoformat(sent_at) if sent_at else timedelta(0)
    return {**stamp.get("facts", {}), "behind_ms": round(behind.total_seconds() * 1000)}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def forget(now: datetime) -> int:
    """Delete workers that were not seen for a week: each restart makes a new name. Returns how many."""
    deleted, _by_model = EngineWorker.objects.filter(seen_at__lt=now - FORGOTTEN).delete()
    return deleted
