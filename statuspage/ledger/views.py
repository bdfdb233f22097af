from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.permissions import VIEW_CHECKS
from incidents.models import Incident
from monitoring.accounting import ledger, time_range
from monitoring.accounting.ledger import Ledger
from monitoring.accounting.time_range import BadWindow, Window
from monitoring.models import AccountingPolicy, Service
from monitoring.words.durations import day_name
from statuspage.ledger import export
from statuspage.ledger.page import context
from statuspage.ledger.words import policy_words

View = Callable[[HttpRequest, str], HttpResponse]


def _briefly_kept(view: View) -> View:
    """Let only the visitor's own browser cache a response briefly, because its content depends on the visitor."""

    @wraps(view)
    def kept(request: HttpRequest, service_id: str) -> HttpResponse:
        response = view(request, service_id)
        response.headers["Cache-Control"] = "private, max-age=5"
        return response

    return kept


@login_not_required
@require_safe
@_briefly_kept
def page(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show the intervals behind a service's figures. Archived services keep their ledger."""
    service = get_object_or_404(Service, id=service_id)
    now, zone = timezone.now(), settings.PAGE_TIME_ZONE
    try:
        chosen = time_range.asked_for(request.GET, now, zone)
    except BadWindow as error:
        return render(request, "statuspage/ledger_refused.html", {"service": service, "why": str(error)}, status=400)
    found = ledger.read(service, chosen.start, chosen.end, now, zone)
    shown = context(found, chosen, _incidents(service, chosen), now, zone, is_signed_in=request.user.is_authenticated)
    raw_checks = _raw_checks(service, chosen, now) if request.user.has_perm(VIEW_CHECKS) else ""
    return render(
        request, "statuspage/ledger.html", {**shown, "query": request.GET.urlencode(), "raw_checks": raw_checks}
    )


@login_not_required
@require_safe
@_briefly_kept
def as_json(request: HttpRequest, service_id: str) -> HttpResponse:
    """Return the ledger for programs, and errors in the form of the API."""
    found, incidents = _read(request, service_id)
    return JsonResponse(export.document(found, incidents))


@login_not_required
@require_safe
@_briefly_kept
def as_csv(request: HttpRequest, service_id: str) -> HttpResponse:
    try:
        found, incidents = _read(request, service_id)
    except BadWindow as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain; charset=utf-8")
    except Http404:
        words = _("There is no service with this name.")
        return HttpResponse(f"{words}\n", status=404, content_type="text/plain; charset=utf-8")
    name = f"{found.service.id}-{found.start_at:%Y%m%d}-{found.end_at:%Y%m%d}.csv"
    return HttpResponse(
        export.table(found, incidents),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@login_not_required
@require_safe
def policy(request: HttpRequest, name: str, version: int) -> HttpResponse:
    """Show the rules of a policy version in words."""
    found = get_object_or_404(AccountingPolicy, name=name, version=version)
    rules = list(policy_words(found, found.rules))
    shown = {"policy": found, "rules": rules, "effective": _effective(found)}
    return render(request, "statuspage/policy.html", shown)


def _effective(policy: AccountingPolicy) -> str:
    """Return from when a version holds; nothing for the first one, which holds from the beginning."""
    return day_name(policy.effective_on) if policy.version > 1 else ""


def _read(request: HttpRequest, service_id: str) -> tuple[Ledger, list[Incident]]:
    """Read the requested ledger. Raises BadWindow or Http404."""
    service = get_object_or_404(Service, id=service_id)
    now, zone = timezone.now(), settings.PAGE_TIME_ZONE
    chosen = time_range.asked_for(request.GET, now, zone)
    return ledger.read(service, chosen.start, chosen.end, now, zone), _incidents(service, chosen)


def _raw_checks(service: Service, chosen: Window, now: datetime) -> str:
    """Return the URL of the raw checks of a window in the admin, which looks back from its end."""
    until = min(chosen.end, now)
    lengths = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
    length = next((name for name, length in lengths.items() if until - chosen.start <= length), "all")
    wanted = {"service": service.id, "window": length, "until": until.isoformat(timespec="seconds")}
    return f"{reverse('admin:checks')}?{urlencode(wanted)}"


def _incidents(service: Service, chosen: Window) -> list[Incident]:
    return list(Incident.objects.touching(service, chosen.start, chosen.end))
