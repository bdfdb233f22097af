"""What the desk does to services, one at a time or many: save what a form has judged, remove, bring back.

As in `sync`: editors wait for each other, the version grows with what a probe must know, and the page follows.
"""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from database import changes
from database.locks import lock_in_transaction
from monitoring import transitions
from monitoring.models import Service

LOCK = "services"


def save(service: Service, changed: Collection[str] | None = None) -> None:
    """Store a service; of one that exists, only the columns that somebody changed.

    Two people may have the same service open: what one leaves alone must not undo what the other wrote.
    """
    with transaction.atomic():
        lock_in_transaction(LOCK)
        if changed is None:
            service.save(force_insert=True)
        elif changed:
            service.save(update_fields=[*changed, "updated_at"])
        _tell()


def remove(service_ids: Collection[str], *, now: datetime) -> int:
    """Archive those of the services that are there and return how many they were. Nothing is deleted."""
    return _archive(service_ids, was_archived=False, now=now, archived_at=now)


def bring_back(service_ids: Collection[str], *, now: datetime) -> int:
    """Take removed services out of the archive, with their settings and history, and return how many they were."""
    return _archive(service_ids, was_archived=True, now=now, archived_at=None)


def _archive(service_ids: Collection[str], *, was_archived: bool, now: datetime, archived_at: datetime | None) -> int:
    with transaction.atomic():
        lock_in_transaction(LOCK)
        found = Service.objects.filter(id__in=service_ids, archived_at__isnull=not was_archived).order_by("id")
        ids = list(found.select_for_update(no_key=True).values_list("id", flat=True))
        Service.objects.filter(id__in=ids).update(archived_at=archived_at, updated_at=now)
        if ids:
            _tell()
    return len(ids)


def _tell() -> None:
    changes.bump("page")
    transaction.on_commit(transitions.nudge_all)
