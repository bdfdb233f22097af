"""Bring removed services back: what was known of them when they went says nothing of them now."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from monitoring import states, transitions
from monitoring.models import Service, Transition
from monitoring.state import Cause, Status
from monitoring.states import LockedState

Locked = dict[str, LockedState]


def lock(service_ids: Collection[str]) -> Locked:
    """Lock the states of services that are about to come back. No query for none."""
    return states.lock(service_ids) if service_ids else {}


def revive(locked: Locked, now: datetime) -> None:
    """Make their status unknown until the next check. Their runs stay: the time between is a gap in them."""
    if not locked:
        return
    changed = [_transition(held, now) for held in locked.values() if held.state.status is not Status.UNKNOWN]
    for held in locked.values():
        held.state = replace(
            held.state,
            status=Status.UNKNOWN,
            is_down=False,
            streak_first_at=None,
            streak_count=0,
            stale_at=None,
            recheck_at=None,
        )
    states.save(locked.values())
    Service.objects.filter(id__in=locked).update(status=Status.UNKNOWN)
    transitions.record(changed)


def _transition(held: LockedState, now: datetime) -> Transition:
    return Transition(
        service_id=held.service_id,
        from_status=held.state.status,
        to_status=Status.UNKNOWN,
        cause=Cause.SILENT,
        edge_start_at=held.state.run.last_at if held.state.run else None,
        edge_end_at=now,
        created_at=now,
    )
