"""A finding in words, with the remedies that its page offers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.models import AffectedService, Finding, FindingKind, Incident
from incidents.reconciliation.remedies import near
from monitoring.models import Restatement, Service
from monitoring.models.restatements import RestatedAs
from monitoring.words.durations import duration

MOST_LISTED = 25  # findings on the page
MOST_RESTATED = 3  # services of an incident for which a restatement is offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A finding as its page shows it."""

    id: int
    kind: FindingKind
    name: str  # of the service or the incident
    url: str
    measured: str
    told: str
    differs: str
    restatements: Sequence[tuple[str, str]]  # (name of the service, link to a form that is filled in)
    awaits: bool  # a restatement that might explain it waits for a decision
    near: Sequence[Incident]  # to which the service could be added
    others: int  # unreported outages of the same service that are open


def describe(findings: QuerySet[Finding], now: datetime) -> list[Row]:
    """Return the findings in words, in order of what they are about, the newest first. Six queries at most."""
    newest = Coalesce("told_at", "measured_at").desc()
    found = list(findings.select_related("service", "incident").order_by(newest, "-pk")[:MOST_LISTED])
    affected = _services_of(found)
    waiting = set(Restatement.objects.filter(is_approved=None).values_list("service_id", flat=True)) if found else set()
    candidates, unreported = near(found, now), _unreported(found)
    return [
        Row(
            id=each.pk,
            kind=FindingKind(each.kind),
            **_subject(each),
            **_compared(each, now),
            restatements=_restatements(each, services),
            awaits=any(service.pk in waiting for service in services),
            near=candidates.get(each.pk, ()),
            others=unreported.get(each.service_id or "", 1) - 1,
        )
        for each, services in ((each, _concerned(each, affected)) for each in found)
    ]


def _concerned(each: Finding, affected: Mapping[int, Sequence[Service]]) -> Sequence[Service]:
    return [each.service] if each.service is not None else affected.get(each.incident_id or 0, ())


def _unreported(findings: Iterable[Finding]) -> dict[str, int]:
    """Return the number of open unreported outages of each service. One query, none without such findings."""
    ids = {each.service_id for each in findings if each.service_id is not None}
    open_ones = Finding.objects.open().filter(service__in=ids).order_by()
    return dict(open_ones.values_list("service").annotate(number=Count("pk"))) if ids else {}


def _services_of(findings: Iterable[Finding]) -> dict[int, list[Service]]:
    ids = {each.incident_id for each in findings if each.incident_id is not None}
    services: dict[int, list[Service]] = {}
    if ids:
        for row in AffectedService.objects.filter(incident__in=ids).select_related("service").order_by("service"):
            services.setdefault(row.incident_id, []).append(row.service)
    return services


def _subject(each: Finding) -> dict[str, str]:
    if each.service is not None:
        return {"name": str(each.service), "url": reverse("admin:service", args=[each.service.pk])}
    return {"name": str(each.incident), "url": reverse("admin:incidents_incident_change", args=[each.incident_id])}


def _compared(each: Finding, now: datetime) -> dict[str, str]:
    measured, told = each.measured_at, each.told_at
    if each.kind == FindingKind.UNREPORTED and measured is not None:
        end = each.measured_until
        differs = duration(((end or now) - measured).total_seconds())
        words = _("%(duration)s of downtime that no incident describes") if end else _("down for %(duration)s so far")
        return {
            "measured": f"{_instant(measured)} – {_clock(end, measured)}",
            "told": "–",
            "differs": words % {"duration": differs},
        }
    if measured is None or told is None:
        differs = _("no downtime was measured for the services of this incident")
        return {"measured": "–", "told": _instant(told), "differs": differs}
    apart = {"duration": duration(abs((told - measured).total_seconds()))}
    is_early = told < measured
    if each.kind == FindingKind.START:
        words = _("starts %(duration)s too early") if is_early else _("starts %(duration)s too late")
    else:
        words = _("ends %(duration)s too early") if is_early else _("ends %(duration)s too late")
    return {"measured": _instant(measured), "told": _instant(told), "differs": words % apart}


def _instant(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}" if at else "…"


def _clock(at: datetime | None, since: datetime) -> str:
    if at is None:
        return "…"
    local = timezone.localtime(at)
    return f"{local:%H:%M %Z}" if local.date() == timezone.localtime(since).date() else _instant(at)


def _restatements(each: Finding, services: Sequence[Service]) -> list[tuple[str, str]]:
    """Return a link for each service; none if the time to be restated is not over."""
    since, until, restated_as = _restated(each)
    if since is None or until is None:
        return []
    since, until = sorted((since, until))
    values = {
        "since": since.astimezone(UTC).isoformat(),
        "until": until.astimezone(UTC).isoformat(),
        "restated_as": restated_as,
    }
    form = reverse("admin:monitoring_restatement_add")
    named: Any = services[:MOST_RESTATED]
    return [(str(service), f"{form}?{urlencode({'service': service.pk, **values})}") for service in named]


def _restated(each: Finding) -> tuple[datetime | None, datetime | None, str]:
    """Return the time that would have to be accounted differently, and how, if what was told is right."""
    if each.kind == FindingKind.UNREPORTED:
        return each.measured_at, each.measured_until, RestatedAs.OPERATIONAL
    if each.kind == FindingKind.UNMEASURED:
        return each.told_at, each.incident.resolved_at if each.incident else None, RestatedAs.DOWN
    if each.measured_at is None or each.told_at is None:
        return None, None, RestatedAs.DOWN
    was_longer = (each.told_at < each.measured_at) == (each.kind == FindingKind.START)
    return each.measured_at, each.told_at, RestatedAs.DOWN if was_longer else RestatedAs.OPERATIONAL
