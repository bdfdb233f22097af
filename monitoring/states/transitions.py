"""Deliver transitions to registered consumers: one row per consumer, claimed once, and a message after the commit.

The row is authoritative and the message only saves waiting: a lost message costs seconds (`sweep`), never a transition.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from database import changes
from database.locks import wait_briefly
from monitoring.models import Service, Transition, TransitionClaim
from monitoring.rules.state import Change
from observability.events import Action, Subject, tell

logger = logging.getLogger(__name__)

BATCH = 500
_tasks: dict[str, str] = {}


def register_consumer(name: str, *, task: str) -> None:
    """Register a task to be called when there are transitions that the consumer has not handled.

    The task takes the keyword `is_for_transitions`: False if it is called because services were added or archived.
    """
    _tasks[name] = task


def consumers() -> tuple[str, ...]:
    """Return the names of the registered consumers."""
    return tuple(_tasks)


def of_change(service_id: str, change: Change, now: datetime, evidence: Mapping[str, Any] | None = None) -> Transition:
    """Return the row of a change. `evidence` describes the deciding check; its None values are left out."""
    return Transition(
        service_id=service_id,
        from_status=change.from_status,
        to_status=change.to_status,
        cause=change.cause,
        edge_start_at=change.edge_start_at,
        edge_end_at=change.edge_end_at,
        evidence={name: value for name, value in (evidence or {}).items() if value is not None},
        created_at=now,
    )


def record(transitions: Sequence[Transition], statuses: Mapping[str, str] | None = None) -> None:
    """Store transitions with their claims and set the services' statuses; on commit, log and call the consumers.

    `statuses` gives the status of a service if it differs from its last transition. Must run in a transaction. A fixed
    number of statements; the change counter is the last of them.
    """
    if not transitions:
        return
    Transition.objects.bulk_create(transitions)
    TransitionClaim.objects.bulk_create(
        TransitionClaim(transition=transition, consumer=consumer) for transition in transitions for consumer in _tasks
    )
    newest = {transition.service_id: transition.to_status for transition in transitions}
    newest |= {id: status for id, status in (statuses or {}).items() if id in newest}
    # All processes that change several services lock them in this order, to avoid deadlocks.
    list(Service.objects.filter(id__in=newest).order_by("id").select_for_update(no_key=True).values_list("id"))
    for status in set(newest.values()):
        Service.objects.filter(id__in=[id for id, to in newest.items() if to == status]).update(status=status)
    changes.bump("page")
    transaction.on_commit(lambda: _log(transitions), robust=True)
    transaction.on_commit(nudge_for_transitions)


@contextmanager
def claimed(consumer: str, now: datetime, most: int = BATCH) -> Iterator[list[Transition]]:
    """Yield the oldest unhandled transitions of a consumer, at most `most`, and mark them handled when the block ends.

    Each is handled at least once: if the block raises or the process dies, the next call yields the transitions again.
    """
    with transaction.atomic():
        wait_briefly()
        claims = list(
            TransitionClaim.objects.filter(consumer=consumer, done_at=None)
            .select_related("transition")
            .order_by("transition_id")
            .select_for_update(of=("self",), skip_locked=True)[:most]
        )
        yield [claim.transition for claim in claims]
        TransitionClaim.objects.filter(consumer=consumer, transition__in=[c.transition_id for c in claims]).update(
            done_at=now
        )


def sweep() -> list[str]:
    """Nudge the consumers that have unhandled transitions, and return their names: their messages were lost."""
    waiting = list(
        TransitionClaim.objects.filter(done_at=None, consumer__in=_tasks).values_list("consumer", flat=True).distinct()
    )
    for consumer in waiting:
        current_app.send_task(_tasks[consumer], kwargs={"is_for_transitions": True})
    return waiting


def nudge_all() -> None:
    """Call every consumer because services were added or archived. Never raises: the next transition calls it, too."""
    _nudge(is_for_transitions=False)


def nudge_for_transitions() -> None:
    """Call every consumer for transitions, which it may have handled already. Never raises: `sweep` calls it again."""
    _nudge(is_for_transitions=True)


def _log(transitions: Sequence[Transition]) -> None:
    for transition in transitions:
        tell(
            Subject.TRANSITION,
            Action.CREATED,
            service_id=transition.service_id,
            from_status=transition.from_status,
            to_status=transition.to_status,
            cause=transition.cause,
            trace_id=transition.evidence.get("trace_id"),
        )


def _nudge(*, is_for_transitions: bool) -> None:
    for task in _tasks.values():
        try:
            current_app.send_task(task, kwargs={"is_for_transitions": is_for_transitions}, retry=False)
        except OperationalError as error:
            logger.warning("consumer not nudged: the broker cannot be reached", extra={"task": task, "why": str(error)})
