"""The dashboard, first page of the admin: the values that `templates/admin/index.html` shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from database.backups.reports import standing
from incidents.dashboard import open_incidents, reported_in_incidents
from monitoring.admin_site import dashboard
from monitoring.admin_site.dashboard import Period, ServiceProblem
from monitoring.models import Service
from monitoring.rules.sla import percentage
from monitoring.rules.state import Status
from monitoring.words.statuses import STATUS_TONES, now_words
from observability.diagnostics import Verdict
from slamonitor import period_charts
from slamonitor.housekeeping import backup_standing
from statuspage.durations import age, duration, exact, response_time

PERIODS = (Period.DAY, Period.WEEK)


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


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what needs attention, the condition of the monitor, and the last day or week."""
    now = timezone.now()
    period = period_charts.asked_for(request.GET, PERIODS)
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
        "periods": [(each, period_charts.NAMES[each]) for each in PERIODS],
        "slowest": [{"service": each, "words": response_time(each.average_ms)} for each in trends.slowest],
        "least_available": [
            {"service": each, "uptime": percentage(each.uptime) or "–", "down": duration(each.down_s)}
            for each in trends.least_available
        ],
        "charts": period_charts.draw(trends.hours, period, period_charts.OF_ALL),
    }


def _backups(now: datetime) -> dict[str, object]:
    stands = standing()
    finding = backup_standing.judge(stands, settings.BACKUP_AT, now)
    return {
        "proven": age(stands.proven_at, now, settings.PAGE_TIME_ZONE) if stands.proven_at else "",
        "says": f"{finding.says} {finding.remedy}".strip(),
        "is_wrong": finding.verdict in (Verdict.WARNING, Verdict.BAD),
    }


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
