"""Probe canaries, targets that fail only when our own network does, and keep the result. No Django, no Celery here."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

AT_ONCE_S = 2.0  # a newer result is used again
AT_REST_S = 30.0  # the same limit while no check fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The result of probing all canaries at the same time."""

    looked_at_ms: int  # Unix time at which they were probed
    has_answer: bool  # whether at least one answered, in any way
    canaries: str  # their names, for people


# Returns whether any of the URLs answered, or None if they could not be probed.
Ask = Callable[[Sequence[str]], bool | None]


class Canaries:
    """The canaries of one worker. Thread-safe."""

    def __init__(self, urls: Sequence[str], ask: Ask, clock: Callable[[], float]) -> None:
        """`clock` returns Unix seconds."""
        self._urls, self._ask, self._clock = urls, ask, clock
        self._lock = threading.Lock()
        self._last: Look | None = None

    def look(self, *, has_failures: bool) -> Look | None:
        """Return a look: a new one if checks fail or no canary answered last, else one at most half a minute old.

        None if there are no canaries, or they could not be probed. May take as long as their timeout.
        """
        if not self._urls:
            return None
        with self._lock:
            is_urgent = has_failures or self._last is None or not self._last.has_answer
            now = self._clock()
            if self._last and 0 <= now - self._last.looked_at_ms / 1000 < (AT_ONCE_S if is_urgent else AT_REST_S):
                return self._last
            answer = self._ask(self._urls)
            if answer is None:
                return None
            self._last = Look(looked_at_ms=int(now * 1000), has_answer=answer, canaries=", ".join(self._urls))
            return self._last


def packed(look: Look | None) -> dict[str, Any] | None:
    """Return a look as JSON."""
    return asdict(look) if look else None


def unpacked(values: Mapping[str, Any] | None) -> Look | None:
    """Parse a look. Raises TypeError if it is none."""
    return Look(**values) if values else None
