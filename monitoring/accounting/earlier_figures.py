"""Keep the figures of a settled day before accounting replaces them with different ones."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from monitoring.models import Restatement, Span, SpanKind, UptimeRecord, UptimeRecordVersion
from monitoring.models.record_versions import Cause
from monitoring.rules.calendar_days import bounds
from monitoring.rules.sla import Kind

FIGURES = ("status", "uptime_percentage", "coverage_percentage", *(f"{kind}_s" for kind in Kind))
BY_PEOPLE = (SpanKind.MAINTENANCE, SpanKind.PAUSED)
RULES = ("policy_id", "failure_threshold", "recovery_threshold", "time_zone")


class Said(NamedTuple):
    """An amendment: a person entered, changed or approved something about the time of a service."""

    service_id: str | None  # None: all services
    since: datetime
    until: datetime | None
    said_at: datetime
    cause: Cause


def keep(rows: Sequence[UptimeRecord]) -> None:
    """Keep the figures of settled days that these rows will change. One query, and more if there are any."""
    new = {(row.service_id, row.date): row for row in rows}
    settled = UptimeRecord.objects.filter(
        service__in={row.service_id for row in rows}, date__in={row.date for row in rows}, is_settled=True
    )
    changed = [
        old
        for old in settled
        if (row := new.get((old.service_id, old.date)))
        and not old.metadata.get("sample")
        and _differ(old, row, FIGURES)
    ]
    if not changed:
        return
    said, now = list(_said(changed)), timezone.now()
    UptimeRecordVersion.objects.bulk_create(
        UptimeRecordVersion(
            service_id=old.service_id,
            date=old.date,
            replaced_at=now,
            cause=_cause(old, new[old.service_id, old.date], said),
            **{name: getattr(old, name) for name in FIGURES},
        )
        for old in changed
    )


def _differ(old: UptimeRecord, row: UptimeRecord, names: Iterable[str]) -> bool:
    return any(getattr(old, name) != getattr(row, name) for name in names)


def _cause(old: UptimeRecord, row: UptimeRecord, said: Iterable[Said]) -> Cause:
    """Return why a day changed: the last amendment since it was accounted, else its rules, else its checks."""
    start, end = bounds(old.date, settings.PAGE_TIME_ZONE)
    found = [
        (each.said_at, each.cause)
        for each in said
        if each.service_id in (None, old.service_id)
        and each.said_at > old.updated_at
        and each.since < end
        and (each.until is None or each.until > start)
    ]
    if found:
        return max(found)[1]
    return Cause.RULES if _differ(old, row, RULES) else Cause.CHECKS


def _said(changed: Collection[UptimeRecord]) -> Iterable[Said]:
    """Yield the amendments to these services since the first of the rows was written. Two queries."""
    ids, first = {row.service_id for row in changed}, min(row.updated_at for row in changed)
    approved = Restatement.objects.filter(service__in=ids, is_approved=True, decided_at__gt=first)
    for row in approved:
        yield Said(row.service_id, row.since, row.until, row.decided_at or first, Cause.RESTATED)
    entered = Span.objects.filter(Q(service=None) | Q(service__in=ids), kind__in=BY_PEOPLE)
    for span in entered.filter(Q(created_at__gt=first) | Q(replaced_at__gt=first)):
        said_at = max(filter(None, (span.created_at, span.replaced_at)))
        yield Said(span.service_id, span.since, span.until, said_at, Cause(span.kind))
