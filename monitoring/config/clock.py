"""The clock of an installation: that of the broker, for all processes on all machines.

A process measures the offset of the broker's clock from its own monotonic one, and computes the time from there. So a
wrong or leaping wall clock does not move slots. If the broker is not Redis, or was never reached, the wall clock of
this machine is used.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

# No result is further in the future when it is recorded: slots are dispatched two seconds ahead, no check ends before
# its slot, and three seconds are left for differing clocks.
AHEAD = timedelta(seconds=5)

COMPARED_EVERY_S, COMPARED_AGAIN_AFTER_S = 10.0, 1.0
LEAP_S = 0.2  # the wall clock leapt by so much: perhaps the broker's did, too
SLOWEST_ANSWER_S = 1.0  # an answer that took longer is too imprecise
LOGGED_OFFSET_S = 2.0  # a wall clock that differs by so much is logged

Ask = Callable[[], float]  # returns Unix seconds of the broker's clock; raises if the broker is away


class BrokerClock:
    """Return the time of a clock that is queried now and then. Thread-safe, and usable after a fork."""

    def __init__(
        self,
        ask: Ask | None,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        measures_itself: bool = True,
    ) -> None:
        """Without `ask`, use the wall clock. Without `measures_itself`, the caller calls `measure`."""
        self._ask, self._wall, self._monotonic = ask, wall, monotonic
        self._base: float | None = None  # Unix seconds of the broker − monotonic seconds
        self._wall_base = 0.0  # the same for our wall clock, when last read
        self._wanted = threading.Event()
        self._measures_itself, self._pid = measures_itself, 0
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """Return Unix seconds."""
        if self._ask is None:
            return self._wall()
        if self._measures_itself and self._pid != os.getpid():  # threads do not survive a fork
            self._begin()
        monotonic = self._monotonic()
        if abs(self._wall() - monotonic - self._wall_base) > LEAP_S:
            self._wanted.set()
        return monotonic + (self._wall_base if self._base is None else self._base)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def wall_ahead(self) -> timedelta | None:
        """Return how far this machine's wall clock is ahead of the broker's; None if unknown."""
        seconds = self.seconds()
        return None if self._base is None else timedelta(seconds=self._wall() - seconds)

    def measure(self) -> bool:
        """Query the broker's clock once, and return whether the answer was precise enough."""
        before = self._monotonic()
        self._wall_base = self._wall() - before
        if self._ask is None:
            return True
        try:
            theirs = self._ask()
        except (redis.RedisError, OSError):
            return False
        after = self._monotonic()
        if after - before > SLOWEST_ANSWER_S:
            return False
        # Within these bounds, the old base is as good as a new one; keeping it avoids jitter.
        least, most = theirs - after, theirs - before
        if self._base is None or not least <= self._base <= most:
            self._keep((least + most) / 2)
        return True

    def _keep(self, base: float) -> None:
        moved_s = base - (self._wall_base if self._base is None else self._base)
        if abs(moved_s) > LOGGED_OFFSET_S:
            logger.warning("using the broker's clock because ours leapt or differs", extra={"by_s": round(moved_s, 3)})
        self._base = base

    def _begin(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            if self._base is None:
                self.measure()
            self._wanted = threading.Event()
            threading.Thread(target=self._run, name="broker-clock", daemon=True).start()
            self._pid = os.getpid()

    def _run(self) -> None:
        is_known = self._base is not None
        while True:
            self._wanted.wait(COMPARED_EVERY_S if is_known else COMPARED_AGAIN_AFTER_S)
            self._wanted.clear()
            is_known = self.measure()


def _asking_redis() -> Ask | None:
    if not settings.REDIS_URL or not settings.CELERY_BROKER_URL.startswith("redis"):
        return None
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )

    def ask() -> float:
        seconds, microseconds = client.time()
        return float(seconds) + microseconds / 1_000_000

    return ask


_clock: BrokerClock | None = None
_lock = threading.Lock()


def of_broker() -> BrokerClock:
    """Return the clock of this process."""
    global _clock
    if _clock is None:
        with _lock:
            _clock = _clock or BrokerClock(_asking_redis())
    return _clock


def now() -> datetime:
    """Return the time of the broker's clock, which the engine uses. Pages use the time of their own machine."""
    return of_broker().now()


def seconds() -> float:
    """Return the same in Unix seconds."""
    return of_broker().seconds()
