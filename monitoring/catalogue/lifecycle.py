"""Change services, one or many: save validated forms, pause, resume, archive and restore services.

All code that changes services, `sync` included, takes the lock of `lock_catalogue`. It writes whole rows, so without
the lock, one process could overwrite the change of another with older values.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from database import changes
from database.locks import lock_in_transaction
from monitoring.accounting import day_rules
from monitoring.catalogue import restoring
from monitoring.models import Service, Span, SpanKind
from monitoring.states import transitions
from observability.events import Action, Subject, tell_when_committed


def lock_catalogue() -> None:
    """Wait until no other process changes services; the lock is held until the surrounding transaction ends."""
    lock_in_transaction("services")


def save(service: Service, changed: Collection[str] | None = None) -> None:
    """Store a service; if it exists, only the changed columns.

    Two people may edit the same service: a column that one leaves unchanged must not overwrite the other's change.
    """
    with transaction.atomic():
        lock_catalogue()
        if changed is None:
            service.save(force_insert=True)
        elif changed:
            if day_rules.COLUMNS & set(changed):
                day_rules.keep_todays([service.id], timezone.now(), settings.PAGE_TIME_ZONE)
            service.save(update_fields=[*changed, "updated_at"])
        tell_readers([service.id])
        tell_when_committed(Subject.SERVICE, Action.CREATED if changed is None else Action.UPDATED, [service.id])


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of several services: columns with the value that all of them get, and tags to add and to remove."""

    columns: Mapping[str, Any]
    added: Collection[str] = ()
    removed: Collection[str] = ()

    @property
    def names(self) -> list[str]:
        return [*self.columns, *(["tags"] if self.added or self.removed else [])]

    def apply(self, service: Service) -> bool:
        """Change the service, unsaved; return whether anything is different."""
        kept = [tag for tag in service.tags if tag not in self.removed]
        values = {**self.columns, "tags": [*kept, *(tag for tag in dict.fromkeys(self.added) if tag not in kept)]}
        is_different = any(getattr(service, name) != value for name, value in values.items())
        for name, value in values.items():
            setattr(service, name, value)
        service.derive()
        return is_different


def edit(service_ids: Collection[str], edit: Edit, *, now: datetime) -> list[Service]:
    """Edit services that are not archived and return those that changed. As many queries for many as for one."""
    with transaction.atomic():
        lock_catalogue()
        services = [
            each for each in Service.objects.present().filter(id__in=service_ids).order_by("id") if edit.apply(each)
        ]
        ids = [service.id for service in services]
        if ids and day_rules.COLUMNS & set(edit.columns):
            day_rules.keep_todays(ids, now, settings.PAGE_TIME_ZONE)
        for service in services:
            service.updated_at = now
        Service.objects.bulk_update(services, [*edit.names, "phase_ms", "version", "updated_at"])
        tell_readers(ids)
        tell_when_committed(Subject.SERVICE, Action.UPDATED, ids)
    return services


def pause(service_ids: Collection[str], *, author: User | None, reason: str, now: datetime) -> int:
    """Pause the services that are not paused yet, and return how many there were."""
    with transaction.atomic():
        running = _lock(Service.objects.present().filter(id__in=service_ids, is_active=True))
        Service.objects.filter(id__in=running).update(is_active=False, updated_at=now)
        open_spans(running, author=author, reason=reason, now=now)
        tell_readers(running)
        tell_when_committed(Subject.SERVICE, Action.UPDATED, running, what="paused")
    return len(running)


def resume(service_ids: Collection[str], *, now: datetime) -> int:
    """Resume the services that are paused, and return how many there were."""
    with transaction.atomic():
        paused = _lock(Service.objects.present().filter(id__in=service_ids, is_active=False))
        Service.objects.filter(id__in=paused).update(is_active=True, updated_at=now)
        close_spans(paused, now=now)
        tell_readers(paused)
        tell_when_committed(Subject.SERVICE, Action.UPDATED, paused, what="resumed")
    return len(paused)


def open_spans(service_ids: Collection[str], *, author: User | None, reason: str, now: datetime) -> None:
    """Begin the pause of services; one that has an open pause keeps it. One statement."""
    paused = {"kind": SpanKind.PAUSED, "since": now, "created_at": now, "reason": reason, "author": author}
    Span.objects.bulk_create((Span(service_id=id, **paused) for id in service_ids), ignore_conflicts=True)


def close_spans(service_ids: Collection[str], *, now: datetime) -> None:
    """End the pauses of services. One statement."""
    Span.objects.filter(service__in=service_ids, kind=SpanKind.PAUSED, until=None, since__lt=now).update(until=now)


def archive(service_ids: Collection[str], *, now: datetime) -> int:
    """Archive the services that are not archived yet and return how many there were. Nothing is deleted."""
    with transaction.atomic():
        ids = _lock(Service.objects.filter(id__in=service_ids, archived_at=None))
        _put(ids, archived_at=now, now=now)
        tell_when_committed(Subject.SERVICE, Action.DELETED, ids)
    return len(ids)


def restore(service_ids: Collection[str], *, now: datetime) -> int:
    """Restore archived services, with their settings and history, and return how many there were."""
    with transaction.atomic():
        ids = _lock(Service.objects.filter(id__in=service_ids).exclude(archived_at=None))
        # States first, in the order in which a recorder locks; another order could end in a deadlock.
        archived = restoring.lock(ids)
        _put(ids, archived_at=None, now=now)
        restoring.restore(archived, now)
        tell_when_committed(Subject.SERVICE, Action.CREATED, ids)
    return len(ids)


def _lock(services: QuerySet[Service]) -> list[str]:
    lock_catalogue()
    return list(services.order_by("id").values_list("id", flat=True))


def _put(service_ids: Collection[str], *, archived_at: datetime | None, now: datetime) -> None:
    Service.objects.filter(id__in=service_ids).update(archived_at=archived_at, updated_at=now)
    tell_readers(service_ids)


def tell_readers(service_ids: Collection[str]) -> None:
    """On commit, notify the page and the consumers of transitions."""
    if service_ids:
        changes.bump("page")
        transaction.on_commit(transitions.nudge_all)
