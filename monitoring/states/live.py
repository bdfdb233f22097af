"""Whether what is stored of a service says anything of it now: every reader asks by the clock that it has itself."""

from datetime import datetime

from django.db.models import Q

from monitoring.config.clock import AHEAD
from monitoring.models import ServiceState


def is_ahead(state: ServiceState, now: datetime) -> bool:
    """Say whether its newest check lies in the future: some clock is wrong, and nobody knows when that check was."""
    return state.run_last_at is not None and state.run_last_at > now + AHEAD


def is_silent(state: ServiceState, now: datetime) -> bool:
    """Say whether no check speaks: the newest is too old, or in the future."""
    return (state.stale_at is not None and state.stale_at <= now) or is_ahead(state, now)


def silent(now: datetime, prefix: str = "") -> Q:
    """Choose the states of which `is_silent` is true; `prefix` leads to the state, such as `state__`."""
    return Q((f"{prefix}stale_at__lte", now)) | Q((f"{prefix}run_last_at__gt", now + AHEAD))
