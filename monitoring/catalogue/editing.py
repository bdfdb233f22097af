"""What the desk does to services, one at a time or many: save what a form has judged, remove, bring back.

As in `sync`: editors wait for each other, the version grows with what a probe must know, and the page follows.
"""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from database import changes
from database.locks import lock_in_transaction
from monitoring.accounting import day_rules
from monitoring.catalogue import revival
from monitoring.models import Service
from monitoring.states import transitions
from observability.events import Action, Subject, tell_when_committed

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
            if day_rules.COLUMNS & set(changed):
                day_rules.keep_todays([service.id], timezone.now(), settings.PAGE_TIME_ZONE)
            service.save(update_fields=[*changed, "updated_at"])
        _tell()
        tell_when_committed(Subject.SERVICE, Action.CREATED if changed is None else Action.UPDATED, [service.id])


def remove(service_ids: Collection[str], *, now: datetime) -> int:
    """Archive those of the services that are there and return how many they were. Nothing is deleted."""
    with transaction.atomic():
        ids = _lock(Service.objects.filter(id__in=service_ids, archived_at=None))
        _put(ids, archived_at=now, now=now)
        tell_when_committed(Subject.SERVICE, Action.DELETED, ids)
    return len(ids)


def bring_back(service_ids: Collection[str], *, now: datetime) -> int:
    """Take removed services out of the archive, with their settings and history, and return how many they were."""
    with transaction.atomic():
        ids = _lock(Service.objects.filter(id__in=service_ids).exclude(archived_at=None))
        # Their states first: a recorder locks states before services, and two orders could end in a deadlock.
        returning = revival.lock(ids)
        _put(ids, archived_at=None, now=now)
        revival.revive(returning, now)
        tell_when_committed(Subject.SERVICE, Action.CREATED, ids)
    return len(ids)


def _lock(services: QuerySet[Service]) -> list[str]:
    lock_in_transaction(LOCK)
    return list(services.order_by("id").values_list("id", flat=True))


def _put(service_ids: Collection[str], *, archived_at: datetime | None, now: datetime) -> None:
    if service_ids:
        Service.objects.filter(id__in=service_ids).update(archived_at=archived_at, updated_at=now)
        _tell()


def _tell() -> None:
    changes.bump("page")
    transaction.on_commit(transitions.nudge_all)
