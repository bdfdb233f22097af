"""The page of a service in the admin, for all signed-in users: its state, checks, figures, incidents and history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.permissions import CHANGE_SERVICES, SEE_SERVICES, VIEW_SERVICES
from incidents.dashboard import ServiceIncident, incidents_of
from monitoring.admin_site import check_views, phases, service_history, signs
from monitoring.admin_site.dashboard import Period
from monitoring.checks.compressed.reading import TooMuch
from monitoring.engine import heartbeats
from monitoring.engine.refused_targets import reasons_of
from monitoring.models import Heartbeat, Service, Transition
from monitoring.models.spans import Span
from monitoring.probes.model import Verdict
from monitoring.rules.sla import percentage
from monitoring.rules.state import Status
from monitoring.words.durations import age, duration, exact, response_time
from monitoring.words.statuses import NOW_LABELS, STATUS_TONES
from slamonitor import period_charts
from slamonitor.dashboard import checks_of

PERIODS = (Period.DAY, Period.WEEK, Period.QUARTER)
PING_URL = gettext_noop("Ping URL")  # translated when the history is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant in words, with the exact one for a tooltip."""

    at: datetime
    words: str
    exact: str


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    return [
        path("services/<slug:service_id>/", admin.site.admin_view(show), name="service"),
        path("services/<slug:service_id>/ping-url/", admin.site.admin_view(make_ping_url), name="service_ping_url"),
    ]


@require_safe
@permission_required(SEE_SERVICES, raise_exception=True)
def show(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show a service; an archived one keeps its page."""
    now, zone = timezone.now(), settings.PAGE_TIME_ZONE
    service = service_history.find(service_id)
    if service is None:
        raise Http404(service_id)
    period = period_charts.asked_for(request.GET, PERIODS)
    subject = period_charts.OF_DAYS if period is Period.QUARTER else period_charts.OF_HOURS
    changes, pauses = service_history.status_changes(service), service_history.pauses(service)
    since = service_history.since(service, changes[0] if changes else None, pauses, now)
    context = {
        **admin.site.each_context(request),
        "title": str(service),
        "is_fullwidth": "1",
        "service": service,
        "sign": signs.service_sign(service, now),
        "since": _moment(since, now),
        "lasted": duration((now - since).total_seconds()) if since else "",
        **reasons_of(service.pk, now),
        "facts": list(_facts(service, may_see_settings=request.user.has_perm(VIEW_SERVICES))),
        "latest": _latest(service, now),
        "uptimes": _uptimes(service, now),
        "period": period,
        "periods": [(each, period_charts.NAMES[each]) for each in PERIODS],
        "charts": period_charts.draw(service_history.buckets(service, period, now, zone), period, subject),
        **_checks(service, now),
        "of_service": checks_of(service.pk),
        "regions": [
            (each.region, signs.verdict_sign(each.verdict), _moment(each.checked_at, now))
            for each in service_history.regions(service)
        ],
        "changes": list(_changes(changes, now)),
        "incidents": [_incident(each, now) for each in incidents_of(service.pk)],
        "pauses": [_pause(each, now) for each in pauses],
        "edits": [(_moment(each.action_time, now), each.user, _edit(each)) for each in service_history.edits(service)],
        "heartbeat": _heartbeat(service, now),
        "is_heartbeat": service.kind == heartbeats.KIND,
        "list_url": reverse("admin:monitoring_service_changelist"),
        "may_edit": request.user.has_perm(CHANGE_SERVICES),
    }
    return TemplateResponse(request, "admin/service/page.html", context)


@never_cache
@require_POST
@permission_required(CHANGE_SERVICES, raise_exception=True)
def make_ping_url(request: HttpRequest, service_id: str) -> HttpResponse:
    """Create the ping URL of a heartbeat, which replaces an earlier one, and show it once: only its hash is stored."""
    service = Service.objects.present().filter(pk=service_id, kind=heartbeats.KIND).first()
    if service is None:
        raise Http404(service_id)
    token = heartbeats.open_door(service)
    assert isinstance(request.user, User)  # the permission requires a signed-in user
    what: list[Any] = [{"changed": {"fields": [PING_URL]}}]
    LogEntry.objects.log_actions(request.user.pk, [service], CHANGE, what, single_object=True)
    context = {
        **admin.site.each_context(request),
        "title": _("Ping URL"),
        "service": service,
        "address": request.build_absolute_uri(reverse("monitoring:heartbeat", args=[token])),
    }
    return TemplateResponse(request, "admin/service/ping_url.html", context)


def _facts(service: Service, *, may_see_settings: bool) -> Iterator[tuple[str, str]]:
    """Yield what a service is: names and values. Its address is a setting, which not everybody may see."""
    yield _("Id"), service.pk
    if may_see_settings and service.endpoint_url:
        yield _("Address"), service.endpoint_url
    yield _("Kind of check"), translation.gettext(service.check_kind.label)
    if service.check_kind.is_active:
        seconds = {"interval": f"{service.check_interval / 1000:g}", "timeout": f"{service.timeout / 1000:g}"}
        yield _("Checked"), _("every %(interval)s s, with a timeout of %(timeout)s s") % seconds
        yield _("Regions"), ", ".join(service.regions)
    if service.group_name:
        yield _("Group"), service.group_name
    if service.tags:
        yield _("Tags"), ", ".join(service.tags)
    if service.description:
        yield _("Description"), service.description


def _latest(service: Service, now: datetime) -> dict[str, Any]:
    """Return the newest check as the state has it."""
    state = getattr(service, "state", None)
    if state is None or state.run_last_at is None:
        return {}
    shows_error = service.archived_at is None and state.verdict != Verdict.OK
    return {
        "at": _moment(state.run_last_at, now),
        "response": "" if state.last_response_ms is None else response_time(state.last_response_ms),
        "error": state.last_error or "" if shows_error else "",
    }


def _uptimes(service: Service, now: datetime) -> list[dict[str, Any]]:
    ledger = reverse("statuspage:ledger", args=[service.pk])
    return [
        {
            "name": period_charts.NAMES[each.period],
            "uptime": percentage(each.hundredths),
            "ledger": f"{ledger}?{each.query}",
        }
        for each in service_history.uptimes(service, now, settings.PAGE_TIME_ZONE)
    ]


def _checks(service: Service, now: datetime) -> dict[str, Any]:
    try:
        checks = service_history.last_checks(service, now)
    except TooMuch:
        return {"rows": [], "is_too_much": True}
    longest = max((check.response_time or 0 for check in checks), default=0)
    return {"rows": [check_views.row_of(check, longest) for check in checks], "names": phases.NAMES}


def _changes(found: Sequence[Transition], now: datetime) -> Iterator[tuple[Moment | None, SafeString, str, str]]:
    """Yield the time of each change, the new status, how long it lasted, and the reason."""
    until = now
    for each in found:
        status = Status(each.to_status)
        lasted = duration((until - each.edge_end_at).total_seconds())
        sign = signs.sign(STATUS_TONES[status], str(NOW_LABELS[status]))
        why = "" if status is Status.OPERATIONAL else str(each.evidence.get("error_message") or "")
        yield _moment(each.edge_end_at, now), sign, lasted, why
        until = each.edge_end_at


def _incident(each: ServiceIncident, now: datetime) -> dict[str, Any]:
    return {
        "incident": each,
        "url": reverse("admin:incidents_incident_change", args=[each.id]),
        "began": _moment(each.started_at, now),
        "lasted": duration(((each.resolved_at or now) - each.started_at).total_seconds()),
    }


def _pause(each: Span, now: datetime) -> dict[str, Any]:
    is_open = each.until is None or each.until > now
    when = _("planned") if each.since > now else _("now") if is_open else ""
    return {"span": each, "when": when, "of_all": each.service_id is None}


def _edit(entry: LogEntry) -> str:
    """Return what a person changed; texts of the API are stored in English."""
    return translation.gettext(str(entry.get_change_message()) or gettext_noop("Changed."))


def _heartbeat(service: Service, now: datetime) -> dict[str, Any]:
    found: Heartbeat | None = getattr(service, "heartbeat", None)
    if found is None:
        return {}
    return {
        "last_ping": _moment(found.last_ping_at, now),
        "started": _moment(found.started_at, now),
        "due": exact(found.due_at, settings.PAGE_TIME_ZONE) if found.due_at else "",
        "overdue": exact(found.overdue_at, settings.PAGE_TIME_ZONE) if found.overdue_at else "",
    }


def _moment(at: datetime | None, now: datetime) -> Moment | None:
    if at is None:
        return None
    zone = settings.PAGE_TIME_ZONE
    return Moment(at=at, words=age(at, now, zone), exact=exact(at, zone))
