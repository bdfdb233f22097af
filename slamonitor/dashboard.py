"""The dashboard, first page of the admin: the values that `templates/admin/index.html` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _

from database.backups.reports import standing
from incidents.dashboard import open_incidents, reported_in_incidents
from monitoring.admin_site import charts, dashboard
from monitoring.admin_site.dashboard import HourOfAll, Period, ServiceProblem
from monitoring.models import Service
from monitoring.rules.sla import percentage
from monitoring.rules.state import Status
from monitoring.words.statuses import STATUS_TONES, now_words
from observability.diagnostics import Verdict
from slamonitor.housekeeping import backup_standing
from statuspage.durations import age, duration, exact, response_time

LABELS = {Period.DAY: 6, Period.WEEK: 7}  # number of labels below a chart; a divisor of its hours


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow:
    """A service that is not operational, in words."""

    id: str
    name: str
    tone: str
    state: str
    since: str
    since_exact: str
    error: str
    url: str  # of its page, or of its checks for users without permission for that page
    is_told: bool  # True if an open incident names it, or if it is not down


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One hour, as a column of a chart and as a row of the table with the same numbers."""

    label: str
    title: str
    ok: int
    slow: int
    bad: int
    p50: str
    p95: str
    boxes: Sequence[charts.Box]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    columns: Sequence[Column]
    labels: Sequence[str]  # those of some columns, evenly spread
    p50_path: str
    p95_path: str
    response_ticks: Sequence[str]  # from the top to 0
    check_ticks: Sequence[str]
    has_checks: bool


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what needs attention, the condition of the monitor, and the last day or week."""
    now = timezone.now()
    period = Period(request.GET["period"]) if request.GET.get("period") in list(Period) else Period.DAY
    problems, problem_count = dashboard.service_problems(now)
    sees_services = request.user.has_perm("monitoring.view_service")
    told = reported_in_incidents([each.id for each in problems if each.status is Status.DOWN])
    trends = dashboard.trends(period, now)
    return {
        **context,
        "service_problems": [_problem_row(each, told, now, sees_services) for each in problems],
        "more_service_problems": problem_count - len(problems),
        "monitored": Service.objects.monitored().count(),
        "incidents": [
            {
                "incident": each,
                "age": age(each.started_at, now, settings.PAGE_TIME_ZONE),
                "url": reverse("admin:incidents_incident_change", args=[each.id]),
            }
            for each in open_incidents()
        ],
        "engine": dashboard.engine(now),
        "backups": _backups(now),
        "period": period,
        "periods": [(Period.DAY, _("24 hours")), (Period.WEEK, _("7 days"))],
        "slowest": [{"service": each, "words": response_time(each.average_ms)} for each in trends.slowest],
        "least_available": [
            {"service": each, "uptime": percentage(each.uptime) or "–", "down": duration(each.down_s)}
            for each in trends.least_available
        ],
        "charts": draw(trends.hours, period),
    }


def _backups(now: datetime) -> dict[str, object]:
    stands = standing()
    finding = backup_standing.judge(stands, settings.BACKUP_AT, now)
    return {
        "proven": age(stands.proven_at, now, settings.PAGE_TIME_ZONE) if stands.proven_at else "",
        "says": f"{finding.says} {finding.remedy}".strip(),
        "is_wrong": finding.verdict in (Verdict.WARNING, Verdict.BAD),
    }


def draw(hours: Sequence[HourOfAll], period: Period) -> Charts:
    """Draw the chart of response times and the chart of checks for the same hours."""
    response_top = charts.nice_top(max((hour.p95_ms or 0 for hour in hours), default=0))
    check_top = charts.nice_top(max((hour.ok + hour.slow + hour.bad for hour in hours), default=0))
    stacks = charts.stack([(hour.ok, hour.slow, hour.bad) for hour in hours], check_top)
    columns = [_column(hour, boxes, period) for hour, boxes in zip(hours, stacks, strict=True)]
    return Charts(
        columns=columns,
        labels=[columns[place].label for place in charts.evenly(len(columns), LABELS[period])],
        p50_path=charts.line([hour.p50_ms for hour in hours], response_top),
        p95_path=charts.line([hour.p95_ms for hour in hours], response_top),
        response_ticks=[response_time(response_top * share) for share in (1, 0.5, 0)],
        check_ticks=[f"{check_top * share:,.0f}" for share in (1, 0.5, 0)],
        has_checks=any(hour.ok + hour.slow + hour.bad for hour in hours),
    )


def _problem_row(each: ServiceProblem, told: set[str], now: datetime, has_page: bool) -> ProblemRow:
    return ProblemRow(
        id=each.id,
        name=each.name,
        tone=STATUS_TONES[each.status],
        state=now_words(each.status, is_measured=each.is_measured),
        since=age(each.since, now, settings.PAGE_TIME_ZONE) if each.since else "",
        since_exact=exact(each.since, settings.PAGE_TIME_ZONE) if each.since else "",
        error=each.error,
        url=reverse("admin:monitoring_service_change", args=[each.id]) if has_page else checks_of(each.id),
        is_told=each.status is not Status.DOWN or each.id in told,
    )


def checks_of(service_id: str) -> str:
    """Return the address of a service's raw checks, which all signed-in users may read."""
    return f"{reverse('admin:checks')}?{urlencode({'service': service_id})}"


def _column(hour: HourOfAll, boxes: Sequence[charts.Box], period: Period) -> Column:
    local = hour.at.astimezone(settings.PAGE_TIME_ZONE)
    # Translators: letters of Django's date format; Mon 9 March, 14:00
    title = format_date(local, _("D j F, H:i"))
    return Column(
        label=f"{local:%H:%M}" if period is Period.DAY else format_date(local, _("D j")),
        title=title,
        ok=hour.ok,
        slow=hour.slow,
        bad=hour.bad,
        p50="" if hour.p50_ms is None else response_time(hour.p50_ms),
        p95="" if hour.p95_ms is None else response_time(hour.p95_ms),
        boxes=boxes,
    )
