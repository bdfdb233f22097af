"""Count messages of the broker that this process refused, and log one line for many of them."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

Clock = Callable[[], float]  # seconds

TOLD_EVERY_S = 10.0
MOST_CHARACTERS_SHOWN = 100  # characters of a forged message's own fields


class Refusals:
    """Count refusals, and log the first one at once, then all since the last line together."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, unix_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._unix_clock = clock, unix_clock
        self._lock = threading.Lock()
        self._count = self._told = 0
        self._last_at_ms = 0
        self._tell_at_s = 0.0

    def note(self, why: str, queue: object = None, task: object = None) -> None:
        """Count one message; `queue` and `task` come from the message itself and may be anything."""
        with self._lock:
            self._count += 1
            self._last_at_ms = int(self._unix_clock() * 1000)
            now_s = self._clock()
            if now_s < self._tell_at_s:
                return
            self._tell_at_s = now_s + TOLD_EVERY_S
            untold, self._told = self._count - self._told, self._count
        fields = {
            "why": why,
            "queue": str(queue)[:MOST_CHARACTERS_SHOWN],
            "task": str(task)[:MOST_CHARACTERS_SHOWN],
            "messages": untold,
        }
        logger.error("messages refused", extra=fields)

    def counters(self) -> dict[str, int]:
        """Return the number of refusals since the process began, and the time of the last one (Unix time)."""
        return {"refused_messages": self._count, "refused_at_ms": self._last_at_ms} if self._count else {}


refusals = Refusals()
