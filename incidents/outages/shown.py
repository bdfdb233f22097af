"""The evidence of an incident as its page in the admin shows it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Avg, Q
from django.db.models.functions import TruncMinute
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext_noop

from incidents.models import AffectedService, Incident
from incidents.outages.joining import TOGETHER
from monitoring.admin_site import charts, signs
from monitoring.models import Service, WatchServerLog
from monitoring.models.raw import ERROR_TYPES
from monitoring.words.causes import in_words

MOST_SHOWN = 20  # services
MOST_CHARTS = 5  # their response times are read for each visit
BEFORE, AFTER = timedelta(hours=1), timedelta(minutes=30)  # of the first failed check, in a chart
MINUTE = timedelta(minutes=1)
STOPPED = {
    "archived": gettext_noop("The service was archived while it was down."),
    "paused": gettext_noop("The service was paused while it was down."),
    "off": gettext_noop("Incidents of the service were switched off while it was down."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Average response times by minute, and the minute of the first failed check."""

    path: str
    failed_x: float
    ticks: Sequence[str]  # from the top to 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCheck:
    at: str
    region: str
    sign: SafeString
    response: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The evidence of one service, in words."""

    service: Service
    is_over: bool
    last_good: str  # empty: there was none
    first_bad: str
    recovered: str
    failure_class: str
    message: str
    agree: Sequence[str]  # regions that see the failure
    differ: Sequence[tuple[str, SafeString]]  # the others, with what they see
    siblings: Sequence[Service]
    more_siblings: int
    checks: Sequence[ShownCheck]
    relapses: Sequence[str]
    stopped: str
    deployment: Mapping[str, Any] | None
    chart: Chart | None


def of_incident(incident: Incident) -> tuple[list[Shown], int]:
    """Return the evidence of the first services that failed, and the number of the others. Four queries at most."""
    rows = AffectedService.objects.filter(incident=incident, evidence__isnull=False).select_related("service")
    found = list(rows.order_by("failed_at", "service_id")[:MOST_SHOWN])
    named = {id for row in found for id in _evidence(row).get("siblings", ())}
    names = Service.objects.only("name", "display_name").in_bulk(named) if named else {}
    drawn = _charts(found[:MOST_CHARTS])
    others = rows.count() - len(found) if len(found) == MOST_SHOWN else 0
    return [_shown(row, _siblings(row, found, names), drawn.get(row.service_id)) for row in found], others


def _siblings(row: AffectedService, found: Iterable[AffectedService], names: Mapping[str, Service]) -> list[Service]:
    """Return the stored siblings of an outage, and those that joined its incident after its evidence was gathered."""
    assert row.failed_at is not None
    siblings = {id: names[id] for id in _evidence(row).get("siblings", ()) if id in names}
    for each in found:
        if each is not row and each.failed_at is not None and abs(each.failed_at - row.failed_at) <= TOGETHER:
            siblings.setdefault(each.service_id, each.service)
    return list(siblings.values())


def _shown(row: AffectedService, siblings: Sequence[Service], chart: Chart | None) -> Shown:
    known = _evidence(row)
    regions: Mapping[str, str] = known.get("regions") or {}
    return Shown(
        service=row.service,
        is_over=row.recovered_at is not None,
        last_good=_time(known.get("last_good_at")),
        first_bad=_time(known.get("first_bad_at")),
        recovered=_exact(row.recovered_at) if row.recovered_at else "",
        failure_class=_class(known.get("error_type")),
        message=in_words(known.get("message")),
        agree=[region for region, verdict in regions.items() if verdict == "bad"],
        differ=[(region, signs.verdict_sign(verdict)) for region, verdict in regions.items() if verdict != "bad"],
        siblings=siblings,
        more_siblings=max(0, known.get("sibling_count", 0) - len(siblings)),
        checks=[_check(each) for each in reversed(known.get("checks", ()))],
        relapses=[_time(at) for at in known.get("relapses", ())],
        stopped=translation.gettext(STOPPED[known["stopped"]["why"]]) if known.get("stopped") else "",
        deployment=known.get("deployment"),
        chart=chart,
    )


def _evidence(row: AffectedService) -> Mapping[str, Any]:
    return row.evidence or {}


def _check(check: Mapping[str, Any]) -> ShownCheck:
    return ShownCheck(
        at=_time(check["at"]),
        region=check["region"],
        sign=signs.verdict_sign(check["verdict"]),
        response="" if check["ms"] is None else f"{check['ms']:.0f} ms",
        reason=in_words(check["message"]),
    )


def _charts(rows: Collection[AffectedService]) -> dict[str, Chart]:
    """Draw the response times around the first failed check of each service. One query."""
    if not rows:
        return {}
    wanted = Q()
    for row in rows:
        assert row.failed_at is not None
        span = (row.failed_at - BEFORE, row.failed_at + AFTER)
        wanted |= Q(service_id=row.service_id, checked_at__range=span)
    times: defaultdict[str, dict[datetime, float]] = defaultdict(dict)
    checks = WatchServerLog.objects.speaking().filter(wanted, is_healthy=True).order_by()
    by_minute = checks.values("service_id", minute=TruncMinute("checked_at")).annotate(mean=Avg("response_time"))
    for service_id, minute, mean in by_minute.values_list("service_id", "minute", "mean"):
        if mean is not None:
            times[service_id][minute] = mean
    return {row.service_id: _chart(row, times[row.service_id]) for row in rows if times[row.service_id]}


def _chart(row: AffectedService, times: Mapping[datetime, float]) -> Chart:
    assert row.failed_at is not None
    minutes = list(_minutes(row.failed_at - BEFORE, row.failed_at + AFTER))
    top = charts.nice_top(max(times.values()))
    place = charts.WIDTH / len(minutes)
    return Chart(
        path=charts.line([times.get(minute) for minute in minutes], top),
        failed_x=round(place * (BEFORE // MINUTE + 0.5), 1),
        ticks=[f"{top * share:,.0f} ms" for share in (1, 0.5, 0)],
    )


def _minutes(since: datetime, until: datetime) -> Iterator[datetime]:
    minute = since.replace(second=0, microsecond=0)
    while minute <= until:
        yield minute
        minute += MINUTE


def _class(name: str | None) -> str:
    return next((str(words) for value, words in ERROR_TYPES if value == name), "")


def _time(text: str | None) -> str:
    return _exact(datetime.fromisoformat(text)) if text else ""


def _exact(at: datetime) -> str:
    return f"{at.astimezone(settings.PAGE_TIME_ZONE):%Y-%m-%d %H:%M:%S %Z}"
