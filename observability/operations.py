"""Track a named operation: its duration, outcome and facts."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from observability import metrics, trace
from observability.harmless import harmless

logger = logging.getLogger(__name__)

SLOW_MS = 1000.0
P = ParamSpec("P")
R = TypeVar("R")
_seconds = metrics.histogram(
    "operation_duration_seconds",
    "Duration of named operations, by outcome.",
    ["operation", "outcome"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0),
)


@dataclass(slots=True)
class Operation:
    """An operation under way, with the facts for its log line."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)

    def note(self, **facts: Any) -> None:
        """Add facts to the log line at its end."""
        self.facts.update(facts)


@contextmanager
def operation(name: str, *, slow_ms: float = SLOW_MS, **facts: Any) -> Iterator[Operation]:
    """Measure the block under a name, in a span of its own, and log its end: at INFO if it was slow, else at DEBUG.

    A failure is logged with its class and raised again. Names are literals in the code: each is kept forever.
    """
    tracked, began, outcome = Operation(name, facts), time.perf_counter(), "completed"
    with trace.following(trace.begin()):
        try:
            yield tracked
        except BaseException as error:
            outcome = "failed"
            tracked.note(error=type(error).__name__)
            raise
        finally:
            with harmless("operations"):
                _tell(tracked, outcome, time.perf_counter() - began, slow_ms)


def measured(name: str, *, slow_ms: float = SLOW_MS) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make each call of a function an operation."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with operation(name, slow_ms=slow_ms):
                return function(*args, **kwargs)

        return call

    return decorate


def _tell(tracked: Operation, outcome: str, took_s: float, slow_ms: float) -> None:
    _seconds.labels(tracked.name, outcome).observe(took_s)
    is_slow = took_s * 1000 >= slow_ms
    level = logging.WARNING if outcome == "failed" else logging.INFO if is_slow else logging.DEBUG
    extra = {"operation": tracked.name, "duration_ms": round(took_s * 1000, 3), **tracked.facts}
    logger.log(level, "operation %s", outcome, extra=extra)
