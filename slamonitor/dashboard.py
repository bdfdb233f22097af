"""The dashboard, first page of the admin: the values that `templates/admin/index.html` shows."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from database.backups.reports import standing
from incidents.clocks import clock
from incidents.dashboard import drafts, open_findings, open_incidents, overdue_actions, reported_in_incidents
from monitoring.admin_site import dashboard
from monitoring.admin_site.dashboard import Period
from monitoring.models import Service
from monitoring.rules.calendar_days import day_of
from monitoring.rules.sla import percentage
from monitoring.rules.state import Status
from monitoring.words.durations import age, duration, response_time
from observability.diagnostics import Verdict
from slamonitor import attention, own_service, period_charts
from slamonitor.command_line import runnable
from slamonitor.embedded.state_directory import IS_INSTALLED
from slamonitor.housekeeping import backup_standing

PERIODS = (Period.DAY, Period.WEEK)


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    return [path("now/", admin.site.admin_view(show_now), name="now")]


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what needs attention, the condition of the monitor, and the last day or week."""
    now = timezone.now()
    period = period_charts.asked_for(request.GET, PERIODS)
    trends = dashboard.trends(period, now)
    return {
        **context,
        **_attention(now),
        "has_own_services": Service.objects.present().exclude(pk=own_service.ID).exists(),
        "may_add_services": request.user.has_perm("monitoring.add_service"),
        "sync_command": runnable("manage.py sync_services -"),
        "is_in_folder": not IS_INSTALLED,
        "api_url": request.build_absolute_uri("/api/v1/services"),
        "period": period,
        "periods": [(each, period_charts.NAMES[each]) for each in PERIODS],
        "slowest": [{"service": each, "words": response_time(each.average_ms)} for each in trends.slowest],
        "least_available": [
            {"service": each, "uptime": percentage(each.uptime) or "–", "down": duration(each.down_s)}
            for each in trends.least_available
        ],
        "charts": period_charts.draw(trends.hours, period, period_charts.OF_ALL),
    }


@never_cache
@require_safe
def show_now(request: HttpRequest) -> HttpResponse:
    """Show the part of the overview that an open page refreshes."""
    return TemplateResponse(request, "dashboard/_now.html", _attention(timezone.now()))


def _attention(now: datetime) -> dict[str, Any]:
    """Return what needs attention, the most urgent first, and the condition of the monitor."""
    problems, problem_count = dashboard.service_problems(now)
    told = reported_in_incidents() if any(each.status is Status.DOWN for each in problems) else {}
    found, monitored = attention.outages(problems, told, now), Service.objects.monitored().count()
    zone = settings.PAGE_TIME_ZONE
    return {
        "now": now,
        "outages": found,
        "headline": attention.headline(found, monitored),
        "is_all_well": not found and monitored,
        "uncounted": problem_count - len(problems),
        "incidents": [
            {
                "incident": each,
                "age": age(each.started_at, now, zone),
                "clock": clock(each.response, None, now),
                "url": reverse("admin:incidents_incident_change", args=[each.id]),
            }
            for each in open_incidents(now)
        ],
        "drafts": [
            {
                "draft": each,
                "clock": clock(each.response, None, now),
                "age": age(each.started_at, now, zone),
                "url": reverse("admin:incidents_incident_change", args=[each.id]),
            }
            for each in drafts(now)
        ],
        "findings": open_findings(),
        "overdue": overdue_actions(day_of(now, zone)),
        "decisions": attention.decisions(),
        "maintenance": attention.maintenance_today(now),
        "engine": dashboard.engine(now),
        "backups": _backups(now),
    }


def _backups(now: datetime) -> dict[str, object]:
    stands = standing()
    finding = backup_standing.judge(stands, settings.BACKUP_AT, now)
    return {
        "proven": age(stands.proven_at, now, settings.PAGE_TIME_ZONE) if stands.proven_at else "",
        "says": runnable(f"{finding.says} {finding.remedy}".strip()),
        "is_wrong": finding.verdict in (Verdict.WARNING, Verdict.BAD),
    }


def checks_of(service_id: str) -> str:
    """Return the address of a service's raw checks, which all signed-in users may read."""
    return f"{reverse('admin:checks')}?{urlencode({'service': service_id})}"
