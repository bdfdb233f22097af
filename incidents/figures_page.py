"""The admin page of response times: how fast incidents were detected, acknowledged, told and resolved, by month."""

from datetime import date
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.permissions import VIEW_INCIDENTS
from incidents.response_figures import Month, by_month
from incidents.targets import RESPONSE_TARGETS
from monitoring.rules.calendar_days import day_of
from monitoring.words.durations import duration, whole

DAYS = 365  # before today; whole months are shown


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    return [path("response-times/", admin.site.admin_view(show), name="response_times")]


@require_safe
@permission_required(VIEW_INCIDENTS, raise_exception=True)
def show(request: HttpRequest) -> HttpResponse:
    now, zone = timezone.now(), settings.PAGE_TIME_ZONE
    first = date.fromordinal(day_of(now, zone).toordinal() - DAYS)
    context = {
        **admin.site.each_context(request),
        "title": _("Response times"),
        "is_fullwidth": "1",
        "months": [_row(each) for each in by_month(first, now, zone)],
        "targets": [(name, whole(int(target.total_seconds()))) for name, target in RESPONSE_TARGETS.items()],
    }
    return TemplateResponse(request, "admin/incidents/response_times.html", context)


def _row(month: Month) -> dict[str, Any]:
    times = (month.to_detect, month.to_acknowledge, month.to_first_update, month.to_resolve)
    return {
        "month": month,
        "in_time": month.incidents - month.missed,
        "times": ["–" if each is None else duration(each * 60) for each in times],
    }
