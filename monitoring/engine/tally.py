"""Count what was recorded, for `/metrics`."""

from functools import partial

from django.db import transaction

from monitoring.engine.recording import Recorded
from monitoring.probes.model import ErrorType, Verdict
from observability import metrics
from observability.harmless import harmless

_checks = metrics.counter("checks", "Checks recorded, by result.", ["result"])
_failures = metrics.counter("check_failures", "Bad checks recorded, by error type.", ["error_type"])
_lateness = metrics.histogram(
    "check_lateness_seconds",
    "Time from the slot of a check to its start.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

_batches = metrics.histogram("batch_size_checks", "Checks in a batch.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500))
_unused = metrics.counter("checks_not_stored", "Results that were not stored, by reason.", ["why"])


def count(recorded: Recorded) -> None:
    """Count the results of a committed batch: the new ones, and those that were not stored."""
    transaction.on_commit(partial(_count, recorded))


def _count(recorded: Recorded) -> None:
    new, unused = recorded.new, (recorded.duplicates, recorded.refused, recorded.ahead)
    with harmless("metrics of checks"):
        _batches.observe(len(new) + sum(unused))
        _lateness.observe_many(result.lateness_ms / 1000 for result in new)
        for verdict in Verdict:
            if number := sum(result.verdict is verdict for result in new):
                _checks.labels(verdict.value).inc(number)
        for kind in ErrorType:
            if number := sum(result.error_type is kind for result in new):
                _failures.labels(kind.value).inc(number)
        for why, number in zip(("duplicate", "refused", "ahead"), unused, strict=True):
            if number:
                _unused.labels(why).inc(number)
