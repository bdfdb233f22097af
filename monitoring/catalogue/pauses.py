"""Switch the checks of services off and on again, with who did it and why: the time between is nobody's downtime."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from accounts.models import User
from database import changes
from monitoring.models import Service, Span, SpanKind
from monitoring.states import transitions
from observability.events import Action, Subject, tell_when_committed


def pause(service_ids: Collection[str], *, author: User | None, reason: str, now: datetime) -> int:
    """Stop checking those of the services that are checked, and return how many they were."""
    with transaction.atomic():
        running = _lock(service_ids, is_active=True)
        Service.objects.filter(id__in=running).update(is_active=False, updated_at=now)
        open_spans(running, author=author, reason=reason, now=now)
        _tell(running)
        tell_when_committed(Subject.SERVICE, Action.UPDATED, running, what="paused")
    return len(running)


def resume(service_ids: Collection[str], *, now: datetime) -> int:
    """Check those of the services again that are not checked, and return how many they were."""
    with transaction.atomic():
        paused = _lock(service_ids, is_active=False)
        Service.objects.filter(id__in=paused).update(is_active=True, updated_at=now)
        close_spans(paused, now=now)
        _tell(paused)
        tell_when_committed(Subject.SERVICE, Action.UPDATED, paused, what="resumed")
    return len(paused)


def open_spans(service_ids: Collection[str], *, author: User | None, reason: str, now: datetime) -> None:
    """Say that services are paused from now on; one that is said to be already stays so. One statement."""
    paused = {"kind": SpanKind.PAUSED, "since": now, "created_at": now, "reason": reason, "author": author}
    Span.objects.bulk_create((Span(service_id=id, **paused) for id in service_ids), ignore_conflicts=True)


def close_spans(service_ids: Collection[str], *, now: datetime) -> None:
    """Say that services are paused no more. One statement."""
    Span.objects.filter(service__in=service_ids, kind=SpanKind.PAUSED, until=None, since__lt=now).update(until=now)


def _lock(service_ids: Collection[str], *, is_active: bool) -> list[str]:
    found = Service.objects.present().filter(id__in=service_ids, is_active=is_active).order_by("id")
    return list(found.select_for_update(no_key=True).values_list("id", flat=True))


def _tell(service_ids: Collection[str]) -> None:
    if service_ids:
        changes.bump("page")
        transaction.on_commit(transitions.nudge_all)
