"""Decide whether the stored state of a service still holds at `now`. Each reader passes its own time."""

from datetime import datetime
from typing import Any

from django.db.models import Case, Q, QuerySet, TextField, Value, When

from monitoring.config.clock import AHEAD
from monitoring.models import Service, ServiceState
from monitoring.rules.state import Status


def is_ahead(state: ServiceState, now: datetime) -> bool:
    """Return whether the newest check is from the future: some clock is wrong, so its true time is unknown."""
    return state.run_last_at is not None and state.run_last_at > now + AHEAD


def is_silent(state: ServiceState, now: datetime) -> bool:
    """Return whether no check counts now: the newest is too old, or from the future."""
    return (state.stale_at is not None and state.stale_at <= now) or is_ahead(state, now)


def status_at(state: ServiceState | None, now: datetime) -> Status:
    """Return the status that people see: unknown if the service was never checked, or if no check counts now."""
    if state is None or state.run_last_at is None or is_silent(state, now):
        return Status.UNKNOWN
    return Status(state.status)


def with_live_status(services: QuerySet[Service], now: datetime) -> QuerySet[Any]:
    """Annotate services with `live_status`: what `status_at` returns for each."""
    is_silent = Q(state__stale_at__lte=now) | Q(state__run_last_at__gt=now + AHEAD)
    status = Case(
        When(Q(state__run_last_at=None) | is_silent, then=Value(Status.UNKNOWN.value)),
        default="state__status",
        output_field=TextField(),
    )
    return services.annotate(live_status=status)
