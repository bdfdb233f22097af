"""The admin page of reconciliation: each finding in words, with remedies that take one click."""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.permissions import ADD_INCIDENTS, CHANGE_INCIDENTS
from incidents.models import Finding, Incident
from incidents.reconciliation import remedies
from incidents.reconciliation.reconcile import DAYS, SHORTEST, explain, explain_others, last_compared_at, reconcile
from incidents.reconciliation.words import describe

VIEW_FINDINGS = "incidents.view_finding"
CHANGE_FINDINGS = "incidents.change_finding"
MOST_EXPLAINED = 20
LONGEST_EXPLANATION = 2000  # characters
LARGEST_ID = 2**31 - 1


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    return [
        path("reconciliation/", admin.site.admin_view(show), name="reconciliation"),
        path("reconciliation/now/", admin.site.admin_view(reconcile_now), name="reconcile_now"),
        path("reconciliation/<int:finding_id>/act/", admin.site.admin_view(act), name="settle_finding"),
    ]


@never_cache
@require_safe
@permission_required(VIEW_FINDINGS, raise_exception=True)
def show(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    explained = Finding.objects.exclude(explained_at=None).select_related("service", "incident", "explained_by")
    context = {
        **admin.site.each_context(request),
        "title": _("Reconciliation"),
        "is_fullwidth": "1",
        "rows": describe(Finding.objects.open(), now),
        "count": Finding.objects.open().count(),
        "explained": explained.order_by("-explained_at")[:MOST_EXPLAINED],
        "days": DAYS,
        "compared_at": last_compared_at(),
        "shortest_min": int(SHORTEST.total_seconds() // 60),
    }
    return TemplateResponse(request, "admin/incidents/reconciliation/page.html", context)


@require_POST
@permission_required(CHANGE_FINDINGS, raise_exception=True)
def reconcile_now(request: HttpRequest) -> HttpResponse:
    count = reconcile(timezone.now(), settings.PAGE_TIME_ZONE)
    messages.success(request, _("Reconciled. Open findings: %(count)d.") % {"count": count})
    return _back()


@require_POST
@permission_required(CHANGE_FINDINGS, raise_exception=True)
def act(request: HttpRequest, finding_id: int) -> HttpResponse:
    """Do what a button says; a draft that was filed is shown, so that it can be published."""
    what = ACTS.get(request.POST.get("act", ""))
    if what is None:
        messages.error(request, _("This act is unknown. Use the buttons of the page."))
        return _back()
    permission, do = what
    if not request.user.has_perm(permission):
        raise PermissionDenied
    try:
        return do(request, min(finding_id, LARGEST_ID))
    except Finding.DoesNotExist:
        messages.error(request, _("Somebody has already settled this finding."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return _back()


def _file(request: HttpRequest, finding_id: int) -> HttpResponse:
    user: Any = request.user
    incident = remedies.file_draft(finding_id, who=user, now=timezone.now())
    _log(request, incident, "filed from a finding")
    messages.success(request, _("The draft is filed. Publish it, change it first, or dismiss it."))
    return HttpResponseRedirect(reverse("admin:incidents_incident_change", args=[incident.pk]))


def _link(request: HttpRequest, finding_id: int) -> HttpResponse:
    chosen = request.POST.get("incident", "")
    if not (chosen.isascii() and chosen.isdecimal() and int(chosen[:10]) <= LARGEST_ID):
        raise ValidationError(_("Choose an incident from the list."))
    incident = remedies.link(finding_id, int(chosen[:10]), now=timezone.now())
    _log(request, incident, "service added from a finding")
    messages.success(request, _("The service was added to “%(title)s”.") % {"title": incident.title})
    return _back()


def _take_over(request: HttpRequest, finding_id: int) -> HttpResponse:
    user: Any = request.user
    incident = remedies.take_over(finding_id, who=user, now=timezone.now())
    _log(request, incident, "measured time taken over")
    messages.success(request, _("“%(title)s” has the measured time now.") % {"title": incident.title})
    return _back()


def _explain(request: HttpRequest, finding_id: int) -> HttpResponse:
    user: Any = request.user
    text = request.POST.get("explanation", "").replace("\0", "")
    if len(text) > LONGEST_EXPLANATION:
        message = _("This text has %(length)s characters. Shorten it to %(most)s.")
        raise ValidationError(message, params={"length": len(text), "most": LONGEST_EXPLANATION})
    now, count = timezone.now(), 1
    with transaction.atomic():
        explain(finding_id, text, who=user, now=now)
        if "with_others" in request.POST:
            count += explain_others(finding_id, text, who=user, now=now)
    messages.success(request, _("Explained findings: %(count)d.") % {"count": count})
    return _back()


Act = Callable[[HttpRequest, int], HttpResponse]
ACTS: Mapping[str, tuple[str, Act]] = {
    "file": (ADD_INCIDENTS, _file),
    "link": (CHANGE_INCIDENTS, _link),
    "take_over": (CHANGE_INCIDENTS, _take_over),
    "explain": (CHANGE_FINDINGS, _explain),
}


def _log(request: HttpRequest, incident: Incident, what: str) -> None:
    user: Any = request.user
    LogEntry.objects.log_actions(user.pk, [incident], CHANGE, change_message=what)


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:reconciliation"))
