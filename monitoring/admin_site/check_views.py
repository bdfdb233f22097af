"""Admin pages of raw checks: a list with filters, and a page of one check with all its data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.permissions import VIEW_CHECKS
from monitoring.accounting.time_range import YEARS
from monitoring.admin_site import phases, signs
from monitoring.checks import check_search
from monitoring.checks.check_search import Key, Wanted
from monitoring.checks.compressed import reading
from monitoring.checks.compressed.reading import TooMuch
from monitoring.config.local_times import NoInstant, read_instant
from monitoring.models import ApiResponseTime, Service, Transition, WatchServerLog
from monitoring.models.raw import ERROR_TYPES, VERDICTS
from monitoring.rules.state import Status
from monitoring.rules.unix_time import to_ms
from monitoring.words.statuses import NOW_LABELS
from monitoring.worker.specs import trace_id

WINDOWS = {  # the length of the window before `until`
    "1h": (timedelta(hours=1), gettext_lazy("1 hour")),
    "24h": (timedelta(hours=24), gettext_lazy("24 hours")),
    "7d": (timedelta(days=7), gettext_lazy("7 days")),
    "all": (timedelta(days=3660), gettext_lazy("everything stored")),
}
DEFAULT_WINDOW = "24h"
SERVICES_OFFERED = 500  # as suggestions below the field
AROUND = timedelta(minutes=15)  # before and after the instant that somebody asks for
LAST_REQUEST_SLACK = timedelta(seconds=2)
LOCAL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)?", re.ASCII)  # all that browsers' own date fields hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A check as shown in the list."""

    check: WatchServerLog
    sign: str
    url: str
    bar: phases.Bar


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    return [
        path("checks/", admin.site.admin_view(show_list), name="checks"),
        path("checks/<str:key>/", admin.site.admin_view(show_one), name="check"),
    ]


@require_safe
@permission_required(VIEW_CHECKS, raise_exception=True)
def show_list(request: HttpRequest) -> HttpResponse:
    """Show a page of the checks that match the filters in the URL; invalid filters are reported."""
    chosen = _chosen(request.GET)
    wanted, problems = _wanted(chosen, timezone.now())
    page = None
    try:
        if not problems:
            page = check_search.read(
                wanted, after=Key.parse(request.GET.get("after", "")), before=Key.parse(request.GET.get("before", ""))
            )
    except TooMuch:
        problems = (_("The search took too long. Choose a service, failures only, or a shorter period."),)
    longest = max((check.response_time or 0 for check in page.checks), default=0) if page else 0
    context = {
        **admin.site.each_context(request),
        "title": _("Checks"),
        "is_fullwidth": "1",
        "chosen": chosen,
        "problems": problems,
        "needs_offset": bool(problems) or not all(LOCAL.fullmatch(chosen[each]) for each in ("until", "around")),
        "page": page,
        "rows": [row_of(check, longest) for check in page.checks] if page else [],
        "older": _link(chosen, "after", page.older) if page else "",
        "newer": _link(chosen, "before", page.newer) if page else "",
        "is_filtered": chosen != _chosen({}),
        "names": phases.NAMES,
        **_offered(),
    }
    return TemplateResponse(request, "admin/monitoring/checks/list.html", context)


@require_safe
@permission_required(VIEW_CHECKS, raise_exception=True)
def show_one(request: HttpRequest, key: str) -> HttpResponse:
    """Show one check: its phases, its requests, its service, and the change of status that it began."""
    parsed = Key.parse(key)
    check = check_search.one(parsed) if parsed else None
    if check is None:
        raise Http404(key)
    requests = _requests(check)
    longest = max([check.response_time or 0, *(request.response_time or 0 for request in requests)])
    service = Service.objects.filter(pk=check.service_id).first()
    context = {
        **admin.site.each_context(request),
        "title": _("Check"),
        "check": check,
        "sign": signs.verdict_sign(check.verdict),
        "bar": _bar(check, check.response_time or 0),
        "requests": [(each, round(1000 * (each.response_time or 0) / longest) if longest else 0) for each in requests],
        "service": service,
        "transitions": [
            (each, NOW_LABELS[Status(each.from_status)], NOW_LABELS[Status(each.to_status)])
            for each in _transitions(check)
        ],
        "trace_id": trace_id(check.service_id, check.region, to_ms(check.checked_at)),
        "names": phases.NAMES,
        "error_type": dict(ERROR_TYPES).get(check.error_type or ""),
        "of_service": f"{reverse('admin:checks')}?{urlencode({'service': check.service_id})}",
    }
    return TemplateResponse(request, "admin/monitoring/checks/one.html", context)


def _chosen(given: Mapping[str, Any]) -> dict[str, str]:
    names = ("service", "verdict", "class", "region", "window", "until", "around")
    chosen = {name: str(given.get(name, "")).strip() for name in names}
    return {**chosen, "window": chosen["window"] if chosen["window"] in WINDOWS else DEFAULT_WINDOW}


def _wanted(chosen: Mapping[str, str], now: datetime) -> tuple[Wanted, tuple[str, ...]]:
    """Return the filter, and the names of the invalid parameters."""
    problems: list[str] = []
    length, _label = WINDOWS[chosen["window"]]
    until = _instant(chosen["until"], problems) or now + check_search.SEARCHED_AHEAD
    if around := _instant(chosen["around"], problems):
        until, length = around + AROUND, 2 * AROUND
    ids = _named(chosen["service"])
    wanted = Wanted(
        since=until - length,
        until=until,
        service_id=ids[0] if len(ids) == 1 else "",
        service_ids=ids if len(ids) > 1 else (),
        verdict=chosen["verdict"] if chosen["verdict"] in dict(VERDICTS) else "",
        error_type=chosen["class"] if chosen["class"] in dict(ERROR_TYPES) else "",
        region=chosen["region"],
    )
    return wanted, tuple(problems)


def _instant(text: str, problems: list[str]) -> datetime | None:
    """Return the instant that somebody entered; None for nothing, or for what becomes one of the problems."""
    try:
        found = read_instant(text, settings.PAGE_TIME_ZONE) if text else None
    except NoInstant as error:
        problems.append(str(error))
        return None
    if text and (found is None or found.year not in YEARS):
        problems.append(_("%(value)s is not a date and time.") % {"value": text})
        return None
    return found


def _named(text: str) -> tuple[str, ...]:
    """Return the service with this id, or those with this part of an id or a name. Archived ones have checks, too."""
    if not text:
        return ()
    part = Q(id__icontains=text) | Q(name__icontains=text) | Q(display_name__icontains=text)
    found = list(Service.objects.filter(part).order_by("id").values_list("id", flat=True)[:SERVICES_OFFERED])
    return (text,) if text in found or not found else tuple(found)


def _offered() -> dict[str, Any]:
    """Return the choices of the filters. One query; archived services are included, as they have checks."""
    return {
        "verdicts": VERDICTS,
        "classes": ERROR_TYPES,
        "windows": [(name, label) for name, (_length, label) in WINDOWS.items()],
        "services": Service.objects.order_by("id").values_list("id", "name")[:SERVICES_OFFERED],
    }


def row_of(check: WatchServerLog, longest_ms: float) -> Row:
    url = reverse("admin:check", args=[Key.of(check)])
    return Row(check=check, sign=signs.verdict_sign(check.verdict), url=url, bar=_bar(check, longest_ms))


def _bar(check: WatchServerLog, longest_ms: float) -> phases.Bar:
    times = (check.dns_ms, check.connect_ms, check.tls_ms, check.first_byte_ms)
    return phases.bar(times, check.response_time, longest_ms)


def _link(chosen: Mapping[str, str], side: str, key: Key | None) -> str:
    if key is None:
        return ""
    return "?" + urlencode({**{name: value for name, value in chosen.items() if value}, side: str(key)})


def _requests(check: WatchServerLog) -> list[ApiResponseTime]:
    """Return the requests of a check. They carry its service, region and time, and begin between its start and end."""
    length = timedelta(milliseconds=check.lateness_ms + (check.response_time or 0)) + LAST_REQUEST_SLACK
    until = check.checked_at + min(length, timedelta(milliseconds=check.interval_ms))
    of_service = ApiResponseTime.objects.filter(service_id=check.service_id, region=check.region)
    raw = of_service.filter(measured_at__gte=check.checked_at, measured_at__lt=until)
    compressed = reading.requests(check.service_id, check.region, check.checked_at, until)
    return sorted([*raw, *compressed], key=lambda request: (request.measured_at, request.hop))


def _transitions(check: WatchServerLog) -> Any:
    """Return the changes of status that this check began.

    Not those of which it was only the last check before: the next check made these.
    """
    return Transition.objects.filter(service_id=check.service_id, edge_end_at=check.checked_at).order_by("id")
