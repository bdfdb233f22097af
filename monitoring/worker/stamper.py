"""Workers report that they are alive: a message every few seconds, through the queue of their results.

So a worker needs no database for it, and a stamp that arrives proves that the queue works, not only the process.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kombu.exceptions import OperationalError

from monitoring.config import clock
from monitoring.worker.canaries import Look, packed

logger = logging.getLogger(__name__)

STAMP_INTERVAL_S = 5.0
PROBES = "probes."  # with the region appended: a queue of probe workers
PROBE, ENGINE, DISPATCH = ROLES = ("probe", "engine", "dispatch")


class Stamper:
    """Send stamps from a separate thread until stopped."""

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
        unresolved: Callable[[], Mapping[str, str]] = dict,
        every_s: float = STAMP_INTERVAL_S,
    ) -> None:
        self._send, self._counters, self._look = send, counters, look
        self._unprobed, self._unresolved, self._every_s = unprobed, unresolved, every_s
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
                said |= {"unprobed": dict(self._unprobed()), "unresolved": dict(self._unresolved())}
                self._send({**self._about, **said, "sent_at": _now(), "clock_ahead_ms": _clock_ahead_ms()})
            except OperationalError as error:
                logger.warning("stamp not sent: the broker cannot be reached", extra={"why": str(error)})
            except Exception:  # try again with the next stamp, or a working worker would be considered dead
                logger.exception("stamp not sent")
            if self._stopping.wait(self._every_s):
                return


def role_of(queues: Collection[str]) -> str:
    """Return the role of a worker by its queues; with further queues it is no dispatcher, as they may delay it."""
    if any(name.startswith(PROBES) for name in queues):
        return PROBE
    return DISPATCH if set(queues) == {"dispatch"} else ENGINE


def unique_name(hostname: str) -> str:
    """Return a name that differs between machines, and before and after a restart."""
    return f"{hostname} {socket.gethostname()} {os.getpid()}"


def _now() -> str:
    return clock.now().isoformat()


def _clock_ahead_ms() -> int | None:
    ahead = clock.of_broker().wall_ahead()
    return None if ahead is None else round(ahead.total_seconds() * 1000)
