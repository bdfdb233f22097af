"""Measure for how long an event loop stalled: stopped, without CPU time, or overloaded."""

import asyncio
import time
from collections.abc import Callable

TICK_S = 0.1


class Standstill:
    """Add up the delays of a timer in the running event loop; starts with the first call in a loop.

    `clock` gives monotonic seconds.
    """

    __slots__ = ("_clock", "_due", "_late_s", "_loop")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._late_s, self._due = 0.0, 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def seconds(self) -> float:
        """Return how long the loop stalled in total, including a stall that has just ended."""
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
