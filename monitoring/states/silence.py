"""Make the status of services unknown when their checks stop arriving."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from database.batches import batches
from database.locks import wait_briefly
from monitoring.models import ServiceState
from monitoring.rules.state import Status, fall_silent
from monitoring.states import future, state_rows, transitions

BATCH = 500


def mark_silent(now: datetime) -> int:
    """Make the status of every silent service unknown and return how many there were.

    Reads the whole state table: maintaining an index on `stale_at` would cost more than this scan. States from the
    future are corrected, as they would not become silent before that time.
    """
    future.correct_all(now)
    silent = Q(stale_at__lte=now) & ~Q(status=Status.UNKNOWN)
    service_ids = list(ServiceState.objects.filter(silent).order_by("pk").values_list("pk", flat=True))
    return sum(_mark(batch, now) for batch in batches(service_ids, BATCH))


@transaction.atomic
def _mark(service_ids: list[str], now: datetime) -> int:
    """Decide again under the lock, as a check may have arrived since."""
    wait_briefly()
    changed = []
    locked = state_rows.lock(service_ids)
    for held in locked.values():
        step = fall_silent(held.state, now)
        held.state = step.state
        changed += [transitions.of_change(held.service_id, change, now) for change in step.changes]
    if changed:
        state_rows.save(locked.values())
    transitions.record(changed)
    return len(changed)
