"""Events in one form: what happened to what, with the ids of what it touches; a log line each, and counted."""

import logging
from enum import StrEnum
from typing import Any

logger = logging.getLogger("observability.events")


class Subject(StrEnum):
    """What an event is about."""

    SERVICE = "service"
    CHECK = "check"
    TRANSITION = "transition"
    INCIDENT = "incident"
    JOB = "job"  # a task of the engine
    CONNECTION = "connection"  # a live one, of somebody who watches


class Action(StrEnum):
    """What happened to it."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    STARTED = "started"
    PROGRESS = "progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OPENED = "opened"
    CLOSED = "closed"


def tell(subject: Subject, action: Action, /, *, level: int = logging.INFO, error: Any = None, **facts: Any) -> None:
    """Log an event. `facts` are ids and small values; `duration_ms` and `trace_id` among them stand beside the words.

    `error` is an exception whose traceback belongs to the event.
    """
    if logger.isEnabledFor(level):
        extra = {"event": f"{subject}.{action}", **{name: value for name, value in facts.items() if value is not None}}
        logger.log(level, "%s %s", subject, action, extra=extra, exc_info=error)
