"""Log and measure tasks: an event when one fails, at debug level also when it begins and ends, and metrics for all."""

import logging
import time

from observability import metrics
from observability.events import Action, Subject, tell
from observability.harmless import harmless

LONG_MS = 5000.0  # a longer task is logged even if it succeeded
_seconds = metrics.histogram(
    "job_duration_seconds",
    "Duration of tasks, by outcome.",
    ["task", "outcome"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0),
)
_began: dict[str, float] = {}  # by task id
OUTCOMES = {"SUCCESS": "completed", "RETRY": "retried", "REJECTED": "rejected", "IGNORED": "cancelled"}


def begin(task: str, task_id: str) -> None:
    _began[task_id] = time.perf_counter()
    tell(Subject.JOB, Action.STARTED, level=logging.DEBUG, task=task, task_id=task_id)


def fail(task: str, task_id: str, error: BaseException) -> None:
    """Log a task that raised; Celery's own line has the traceback, in the same trace."""
    tell(Subject.JOB, Action.FAILED, level=logging.ERROR, task=task, task_id=task_id, why=repr(error))


def end(task: str, task_id: str, state: str | None) -> None:
    """Measure a task that ended in a Celery state, and log it unless it failed, which is already logged."""
    took_s = time.perf_counter() - _began.pop(task_id, time.perf_counter())
    outcome = OUTCOMES.get(state or "", "failed")
    with harmless("jobs"):
        _seconds.labels(task, outcome).observe(took_s)
    facts = {"task": task, "task_id": task_id, "duration_ms": round(took_s * 1000, 3)}
    if outcome == "completed":
        level = logging.INFO if took_s * 1000 >= LONG_MS else logging.DEBUG
        tell(Subject.JOB, Action.COMPLETED, level=level, **facts)
    elif outcome != "failed":
        tell(Subject.JOB, Action.CANCELLED, level=logging.WARNING, outcome=outcome, **facts)
