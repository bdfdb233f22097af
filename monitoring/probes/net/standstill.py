"""For how long an event loop did not get round to what was due: stopped, starved, or with more to do than it can."""

import asyncio
import time
from collections.abc import Callable

TICK_S = 0.1


class Standstill:
    """Add up by how much a timer of the running event loop comes late; begun by the first question in a loop.

    `clock` gives monotonic seconds.
    """

    __slots__ = ("_clock", "_due", "_late_s", "_loop")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._late_s, self._due = 0.0, 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def seconds(self) -> float:
        """Return how long the loop stood still in all, the standstill that it may just come out of included."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
            self._plan()
        return self._late_s + max(0.0, self._clock() - self._due)

    def _tick(self) -> None:
        self._late_s += max(0.0, self._clock() - self._due)
        self._plan()

    def _plan(self) -> None:
        assert self._loop is not None
        self._due = self._clock() + TICK_S
        self._loop.call_later(TICK_S, self._tick)
