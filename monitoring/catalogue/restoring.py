"""Restore archived services: their state at the time of archiving no longer holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings

from monitoring.accounting import rollup_requests
from monitoring.models import Service, Span, SpanKind, Transition
from monitoring.rules.calendar_days import day_of, days_between
from monitoring.rules.state import Cause, Change, Status
from monitoring.states import state_rows, transitions
from monitoring.states.state_rows import LockedState

REASON = "archived"  # of the pause that covers the time between


@dataclass(frozen=True, slots=True)
class Archived:
    """Archived services that are about to be restored."""

    locked: dict[str, LockedState]
    archived_at: dict[str, datetime]


def lock(service_ids: Collection[str]) -> Archived:
    """Lock the states of archived services; call it before other writes. No query without services."""
    if not service_ids:
        return Archived({}, {})
    locked = state_rows.lock(service_ids)
    rows = Service.objects.filter(id__in=service_ids).values_list("id", "archived_at")
    return Archived(locked, {id: archived_at for id, archived_at in rows if archived_at})


def restore(archived: Archived, now: datetime) -> None:
    """Make their status unknown until the next check. Their runs stay; the archived time is stored as a pause."""
    if not archived.archived_at:
        return
    locked = archived.locked
    changed = [_transition(held, now) for held in locked.values() if held.state.status is not Status.UNKNOWN]
    for held in locked.values():
        held.state = replace(
            held.state,
            status=Status.UNKNOWN,
            stale_at=None,
            recheck_at=None,
            before=None,
        )
    state_rows.save(locked.values())
    Service.objects.filter(id__in=locked).update(status=Status.UNKNOWN)
    Span.objects.bulk_create(
        Span(kind=SpanKind.PAUSED, service_id=id, since=since, until=now, reason=REASON, created_at=since)
        for id, since in archived.archived_at.items()
        if since < now
    )
    _ask_for_days(archived.archived_at, now)
    transitions.record(changed)


def _ask_for_days(archived_at: Mapping[str, datetime], now: datetime) -> None:
    """Request the archived days, which were not accounted: the page would show them without data, not as paused."""
    zone = settings.PAGE_TIME_ZONE
    yesterday = day_of(now, zone) - timedelta(days=1)
    for id, since in sorted(archived_at.items()):
        rollup_requests.request(
            [id], days_between(day_of(max(since, now - rollup_requests.CHANGES_REACH_BACK), zone), yesterday)
        )


def _transition(held: LockedState, now: datetime) -> Transition:
    change = Change(
        from_status=held.state.status,
        to_status=Status.UNKNOWN,
        cause=Cause.SILENT,
        edge_start_at=held.state.run.last_at if held.state.run else None,
        edge_end_at=now,
    )
    return transitions.of_change(held.service_id, change, now)
