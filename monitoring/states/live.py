"""Whether what is stored of a service says anything of it now: every reader asks by the clock that it has itself."""

from datetime import datetime

from django.db.models import Case, Q, TextField, Value, When

from monitoring.config.clock import AHEAD
from monitoring.models import ServiceState
from monitoring.rules.state import Status


def is_ahead(state: ServiceState, now: datetime) -> bool:
    """Say whether its newest check lies in the future: some clock is wrong, and nobody knows when that check was."""
    return state.run_last_at is not None and state.run_last_at > now + AHEAD


def is_silent(state: ServiceState, now: datetime) -> bool:
    """Say whether no check speaks: the newest is too old, or in the future."""
    return (state.stale_at is not None and state.stale_at <= now) or is_ahead(state, now)


def status_at(state: ServiceState | None, now: datetime) -> Status:
    """Return the status as people see it: unknown where nothing was ever checked, or where no check speaks now."""
    if state is None or state.run_last_at is None or is_silent(state, now):
        return Status.UNKNOWN
    return Status(state.status)


def status_column(now: datetime) -> Case:
    """Return what `status_at` returns, for queries of services."""
    is_silent = Q(state__stale_at__lte=now) | Q(state__run_last_at__gt=now + AHEAD)
    return Case(
        When(Q(state__run_last_at=None) | is_silent, then=Value(Status.UNKNOWN.value)),
        default="state__status",
        output_field=TextField(),
    )
