"""Fetch the evidence and account it. Page, admin, API and exports all get their figures from here."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q

from database.sql import statement
from monitoring.models import Restatement, Service, Span
from monitoring.probes.model import Verdict
from monitoring.rules import notice, sla
from monitoring.rules.sla import Figures, Interval, Kind, SpanKind, Stretch
from monitoring.rules.state import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The time of one service in one window: its intervals, and all figures computed from them."""

    service_id: str
    window: tuple[int, int]  # Unix seconds, [start, end)
    intervals: Sequence[Interval]
    seconds: dict[Kind, int]
    figures: Figures
    is_settled: bool  # False: later checks may change it


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The evidence for a service around a window; enough to account the window under any policy."""

    stretches: Sequence[Stretch]
    spans: Sequence[sla.Span]  # replaced ones included
    restatements: Sequence[sla.Span]
    created_at: int


def fetch(
    services: Collection[Service], start: datetime, end: datetime, policies: Collection[Policy]
) -> dict[str, Evidence]:
    """Fetch the evidence of services for a window, by id. Three queries, however many services.

    `policies` are those under which the window may be accounted; they determine how far to read before and after it.
    """
    ids = [service.id for service in services]
    deciding = max((max(p.failure_threshold, p.recovery_threshold) for p in policies), default=1)
    stretches = _stretches(ids, start, end, deciding)
    spans, restatements = _spans(ids, start, end), _restatements(ids, start, end)
    return {
        service.id: Evidence(
            stretches=stretches[service.id],
            spans=[*spans[service.id], *spans[None], *_archived(service, end)],
            restatements=restatements[service.id],
            created_at=_second(service.created_at),
        )
        for service in services
    }


def account(
    service_id: str,
    found: Evidence,
    policy: Policy,
    window: tuple[datetime, datetime],
    now: datetime,
    *,
    as_measured: bool = False,
) -> Account:
    """Account a window, or the part of it that has passed.

    With `as_measured`, restatements and late entries of maintenance and pauses are left out.
    """
    start, end = _second(window[0]), min(_second(window[1]), _second(now))
    spans = (
        notice.in_time(found.spans, policy)
        if as_measured
        else [*notice.published(found.spans, policy), *found.restatements]
    )
    intervals = sla.account(found.stretches, spans, policy, window=(start, end), created_at=found.created_at)
    seconds = sla.seconds_by_kind(intervals)
    return Account(
        service_id=service_id,
        window=(start, end),
        intervals=intervals,
        seconds=seconds,
        figures=sla.figures(seconds, policy),
        is_settled=end == _second(window[1]) and sla.is_settled(found.stretches, policy, end, _second(now)),
    )


def said_by(span: Span, end: datetime) -> sla.Span:
    """Return a stored span as a value, with the time it was in force; an open one ends at `end`."""
    return sla.Span(
        kind=SpanKind(span.kind),
        since=_second(span.since),
        until=_second(span.until or end),
        entered=_second(span.created_at),
        replaced=_second(span.replaced_at) if span.replaced_at else None,
        row=span.pk,
    )


def _stretches(
    service_ids: Sequence[str], start: datetime, end: datetime, deciding: int
) -> defaultdict[str, list[Stretch]]:
    found: defaultdict[str, list[Stretch]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            statement("monitoring", "runs_for_window"),
            {"service_ids": list(service_ids), "start": start, "end": end, "deciding": deciding},
        )
        for service_id, verdict, first, last, check_count, hold_s in cursor.fetchall():
            found[service_id].append(Stretch(Verdict(verdict), int(first), int(last), check_count, hold_s))
    return found


def _spans(service_ids: Sequence[str], start: datetime, end: datetime) -> defaultdict[str | None, list[sla.Span]]:
    found: defaultdict[str | None, list[sla.Span]] = defaultdict(list)
    touching = Span.objects.touching(start, end)
    for span in touching.filter(Q(service=None) | Q(service__in=service_ids)).order_by("since", "id"):
        found[span.service_id].append(said_by(span, end))
    return found


def _restatements(service_ids: Sequence[str], start: datetime, end: datetime) -> defaultdict[str, list[sla.Span]]:
    """Return the approved restatements in order of their approval, as a later one wins."""
    found: defaultdict[str, list[sla.Span]] = defaultdict(list)
    rows = Restatement.objects.filter(is_approved=True, service__in=service_ids, since__lt=end, until__gt=start)
    for row in rows.order_by("decided_at", "id"):
        span = sla.Span(
            kind=SpanKind.RESTATED,
            since=_second(row.since),
            until=_second(row.until),
            restated_as=Kind(row.restated_as),
        )
        found[row.service_id].append(span)
    return found


def _archived(service: Service, end: datetime) -> list[sla.Span]:
    """Return the time after a service was archived, which counts as a pause, not as a gap."""
    if service.archived_at is None or service.archived_at >= end:
        return []
    return [sla.Span(kind=SpanKind.PAUSED, since=_second(service.archived_at), until=_second(end))]


def _second(instant: datetime) -> int:
    return int(instant.timestamp() // 1)
