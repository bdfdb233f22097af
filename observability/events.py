"""Events in one form: subject, action and the ids of the objects involved; each is logged and counted."""

import logging
from collections.abc import Collection
from enum import StrEnum
from typing import Any

from django.db import transaction

from observability import metrics
from observability.harmless import harmless

logger = logging.getLogger(__name__)

MOST_NAMED = 20  # of many things that happened at once
_told = metrics.counter("events", "Events told.", ["event"])


class Subject(StrEnum):
    """The subject of an event."""

    SERVICE = "service"
    CHECK = "check"
    TRANSITION = "transition"
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    JOB = "job"  # a task of the engine
    CONNECTION = "connection"  # a live one, of somebody who watches


class Action(StrEnum):
    """The action of an event."""

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
    """Log an event. `facts` are ids and small values; `duration_ms` and `trace_id` become fields of the line itself.

    `error` is an exception whose traceback belongs to the event.
    """
    event = f"{subject}.{action}"
    if subject is not Subject.CHECK:  # checks have metrics of their own, and there may be thousands a second
        with harmless("events"):
            _told.labels(event).inc()
    if logger.isEnabledFor(level):
        extra = {"event": event, **{name: value for name, value in facts.items() if value is not None}}
        logger.log(level, "%s %s", subject, action, extra=extra, exc_info=error)


def tell_when_committed(subject: Subject, action: Action, ids: Collection[Any], /, **facts: Any) -> None:
    """Log the changes of a transaction once it is committed; of many, only the first by id."""
    if ids:
        transaction.on_commit(lambda: _tell_each(subject, action, list(ids), facts), robust=True)


def _tell_each(subject: Subject, action: Action, ids: list[Any], facts: dict[str, Any]) -> None:
    for id in ids[:MOST_NAMED]:
        tell(subject, action, **{f"{subject}_id": id}, **facts)
    if len(ids) > MOST_NAMED:
        tell(subject, action, number=len(ids) - MOST_NAMED, **facts)
