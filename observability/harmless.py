"""Keep failures of observability away from the code that it observes: they are counted and go no further."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

TOLD_EVERY_S = 60.0
_told_at: dict[str, float] = {}
_failures: dict[str, int] = {}


@contextmanager
def harmless(what: str) -> Iterator[None]:
    """Suppress every exception in the block. `what` is one of few names, because it is kept."""
    try:
        yield
    except Exception as error:
        note(what, error)


def note(what: str, error: Exception) -> None:
    """Count a failure, and log the first of each minute."""
    _failures[what] = _failures.get(what, 0) + 1
    now = time.monotonic()
    if now - _told_at.get(what, -TOLD_EVERY_S) >= TOLD_EVERY_S:
        _told_at[what] = now
        logger.warning("observability failed", extra={"what": what, "why": repr(error), "failures": _failures[what]})


def failures() -> dict[str, int]:
    """Return the number of failures by name since this process began."""
    return dict(_failures)
