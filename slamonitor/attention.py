"""What must be done now, for the overview: outages by cause, decisions that wait, and the maintenance of today."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from incidents.maintenance import readers
from monitoring.admin_site.dashboard import ServiceProblem
from monitoring.models import MaintenanceWindow, Restatement, Span
from monitoring.rules.calendar_days import bounds, day_of
from monitoring.rules.state import Status
from monitoring.words.causes import in_words, without_places
from monitoring.words.durations import age, exact
from monitoring.words.statuses import STATUS_TONES, now_words

FIRST_NAMED = 5  # services of an outage; the others appear on request
MOST_NAMED = 50
MOST_ID_BYTES = 6_000  # of the services in a link to the form of an incident: servers limit the length of addresses
MOST_LISTED = 10  # maintenance windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A service in an outage."""

    id: str
    name: str
    url: str
    is_critical: bool
    since: str
    since_exact: str
    incident_url: str  # of an open incident that names it; empty if there is none


@dataclass(slots=True, kw_only=True)
class Outage:
    """Services with the same status for the same reason, newest first."""

    tone: str
    state: str
    cause: str
    status: Status
    problems: list[ServiceProblem] = field(default_factory=list)
    first: Sequence[Affected] = ()
    more: Sequence[Affected] = ()
    unnamed: int = 0  # services beyond `MOST_NAMED`
    report_url: str = ""  # of a prefilled incident; empty if all have one, or if nothing is down
    unreported: int = 0
    left_out: int = 0  # unreported services that the link could not name

    @property
    def count(self) -> int:
        return len(self.problems)

    @property
    def others(self) -> int:
        return self.count - len(self.first)


def outages(problems: Iterable[ServiceProblem], told: Mapping[str, int], now: datetime) -> list[Outage]:
    """Group services that are not operational by status and cause; the worst first, then that with the newest service.

    `told` has an open incident by service.
    """
    groups: dict[tuple[str, str, str], Outage] = {}
    words, shorten = cache(now_words), cache(without_places)  # a thousand services have few words between them
    for each in problems:
        state = words(each.status, is_measured=each.is_measured)
        cause = shorten(each.error) if each.status is not Status.UNKNOWN else ""
        group = groups.setdefault(
            (each.status, state, cause),
            Outage(tone=STATUS_TONES[each.status], state=state, cause=cause, status=each.status),
        )
        group.problems.append(each)
    for group in groups.values():
        _describe(group, told, now)
    return list(groups.values())


def _describe(group: Outage, told: Mapping[str, int], now: datetime) -> None:
    reasons = {each.error for each in group.problems}
    if group.cause and len(reasons) == 1:
        group.cause = in_words(reasons.pop())  # the same for all: nothing to leave out
    listed = [_affected(each, told, now) for each in group.problems[:MOST_NAMED]]
    group.first, group.more = listed[:FIRST_NAMED], listed[FIRST_NAMED:]
    group.unnamed = max(0, group.count - MOST_NAMED)
    if group.status is Status.DOWN:
        unreported = [each for each in group.problems if each.id not in told]
        named = _that_fit(unreported)
        group.unreported, group.left_out = len(unreported), len(unreported) - len(named)
        group.report_url = _report_url(named) if named else ""


def _that_fit(unreported: Sequence[ServiceProblem]) -> list[ServiceProblem]:
    lengths = accumulate(len(each.id) + len("%2C") for each in unreported)
    return [each for each, length in zip(unreported, lengths, strict=True) if length <= MOST_ID_BYTES]


def _affected(each: ServiceProblem, told: Mapping[str, int], now: datetime) -> Affected:
    zone, incident = settings.PAGE_TIME_ZONE, told.get(each.id)
    return Affected(
        id=each.id,
        name=each.name,
        url=reverse("admin:service", args=[each.id]),
        is_critical=each.is_critical,
        since=age(each.since, now, zone) if each.since else "",
        since_exact=exact(each.since, zone) if each.since else "",
        incident_url=reverse("admin:incidents_incident_change", args=[incident]) if incident else "",
    )


def _report_url(named: Sequence[ServiceProblem]) -> str:
    """Return the address of the form of a new incident, filled in with these services and their first failure."""
    values = {"title": _title(named), "major_services": ",".join(each.id for each in named)}
    if began := min((each.since for each in named if each.since), default=None):
        values["started_at"] = began.astimezone(UTC).isoformat(timespec="seconds")
    return f"{reverse('admin:incidents_incident_add')}?{urlencode(values)}"


def _title(named: Sequence[ServiceProblem]) -> str:
    if len(named) == 1:
        return _("%(name)s is down") % {"name": named[0].name}
    return _("%(count)d services are down") % {"count": len(named)}


def headline(found: Sequence[Outage], monitored: int) -> str:
    """Say the most important thing in one sentence."""
    down = sum(each.count for each in found if each.status is Status.DOWN)
    unreported = sum(each.unreported for each in found)
    if down:
        return f"{_down(found, down)} {_reported(unreported, sum(each.count for each in found))}"
    if found:
        return _("Services that need a look: %(count)d.") % {"count": sum(each.count for each in found)}
    return _("Every service responds.") if monitored else _("Nothing is monitored yet.")


def _down(found: Sequence[Outage], count: int) -> str:
    if count == 1:
        return _("%(name)s is down.") % {"name": found[0].problems[0].name}
    return _("%(count)d services are down.") % {"count": count}


def _reported(unreported: int, count: int) -> str:
    if unreported:
        return _("Without an incident: %(count)d.") % {"count": unreported}
    return _("It is in an incident.") if count == 1 else _("All are in an incident.")


def decisions() -> dict[str, Any]:
    """Return the restatements that wait for a decision: their number, and a link to the list. One query."""
    waiting = Restatement.objects.filter(is_approved=None).count()
    return {"count": waiting, "url": f"{reverse('admin:monitoring_restatement_changelist')}?is_approved__isnull=True"}


def maintenance_today(now: datetime) -> list[dict[str, Any]]:
    """Return the maintenance between now and the end of the day, the next one first. Three queries.

    Windows that no plan made are listed by service.
    """
    zone = settings.PAGE_TIME_ZONE
    _start, end = bounds(day_of(now, zone), zone)
    windows = MaintenanceWindow.objects.maintenance().touching(now, end).filter(coverage=None)
    found = [*map(_planned, readers.today(now, zone)), *map(_entered, windows.select_related("service"))]
    found.sort(key=lambda each: each["since"])
    return [
        {**each, "is_now": each["since"] <= now, "ends_today": each["until"] is not None and each["until"] <= end}
        for each in found[:MOST_LISTED]
    ]


def _planned(shown: readers.Shown) -> dict[str, Any]:
    return {
        "title": shown.title,
        "details": "",
        "since": shown.since,
        "until": shown.until,
        "is_overrunning": shown.is_overrunning,
        "url": reverse("admin:incidents_maintenanceplan_change", args=[shown.plan_id]),
    }


def _entered(window: Span) -> dict[str, Any]:
    return {
        "title": str(window.service) if window.service else _("All services"),
        "details": window.reason,
        "since": window.since,
        "until": window.until,
        "is_overrunning": False,
        "url": reverse("admin:monitoring_maintenancewindow_change", args=[window.pk]),
    }
