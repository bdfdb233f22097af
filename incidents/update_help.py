"""Help for the form of an update: its preview, and templates filled in. Nothing is stored."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.permissions import ADD_INCIDENTS, CHANGE_INCIDENTS
from incidents import markdown, update_templates
from incidents.incident_form import IMPACT_FIELDS
from incidents.languages import OTHER_LANGUAGES
from incidents.models import Incident, IncidentStatus, UpdateTemplate
from monitoring.admin_site.local_times import LocalDateTimeField
from monitoring.models import Service

MOST_TITLE = 200  # characters, as in the model
PREFIX = "updates-0-"  # of the fields of a new update in the form of its incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An update as readers of one language see it."""

    code: str
    language: str
    title: str
    status: str
    text: SafeString
    problem: str  # in words, instead of the text
    is_translated: bool  # false: they read the text in the language of the installation


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Show the update in a form as customers would see it."""
    _demand_reporter(request)
    prefix = _prefix(request)
    incident = _incident(request)
    status = request.POST.get(f"{prefix}status") or request.GET.get("status") or incident.status
    context = {
        **admin.site.each_context(request),
        "title": _("Preview"),
        "shown": [
            _shown(request, prefix, incident, status, code, name)
            for code, name in settings.LANGUAGES
            if code == settings.LANGUAGE_CODE or request.POST.get(f"{prefix}message_{code}", "").strip()
        ],
        "is_internal": f"{prefix}status" in request.POST and f"{prefix}is_customer_visible" not in request.POST,
    }
    return render(request, "admin/incidents/incident/preview.html", context)


def _shown(request: HttpRequest, prefix: str, incident: Incident, status: str, code: str, name: str) -> Shown:
    is_main = code == settings.LANGUAGE_CODE
    text = request.POST.get(f"{prefix}message" if is_main else f"{prefix}message_{code}", "")
    problem = "" if text.strip() else _("There is no message yet.")
    try:
        markdown.validate(text)
    except ValidationError as error:
        problem = " ".join(error.messages)
    with translation.override(code):
        label = str(dict(IncidentStatus.choices).get(status, ""))
    return Shown(
        code=code,
        language=name,
        title=incident.title if is_main else incident.title_translations.get(code) or incident.title,
        status=label,
        text=SafeString("") if problem else markdown.html(text),
        problem=problem,
        is_translated=not is_main,
    )


@require_POST
def filled(request: HttpRequest) -> HttpResponse:
    """Return a template with the values of the form, as JSON: texts by the names of fields."""
    _demand_reporter(request)
    given = request.POST.get("template", "")
    template = UpdateTemplate.objects.filter(pk=int(given)).first() if given.isdecimal() and len(given) < 10 else None
    if template is None:
        raise Http404(given)
    named = [id for field in IMPACT_FIELDS.values() for id in request.POST.getlist(field) if "\0" not in id]
    services = Service.objects.filter(pk__in=named) if "title" in request.POST else None
    message, translations = update_templates.fill_in_each_language(
        template, _incident(request), timezone.now(), settings.PAGE_TIME_ZONE, services=services
    )
    texts = {f"message_{code}": translations.get(code, "") for code, _name in OTHER_LANGUAGES}
    return JsonResponse({"status": template.status, "message": message, **texts})


def _incident(request: HttpRequest) -> Incident:
    """Return the incident of a form, with what is typed there and not saved."""
    given = request.POST.get("incident") or request.GET.get("incident") or ""
    stored = Incident.objects.filter(pk=int(given)).first() if given.isdecimal() and len(given) < 19 else None
    incident = stored or Incident(started_at=timezone.now())
    if "title" in request.POST:
        incident.title = request.POST["title"][:MOST_TITLE]
        incident.title_translations = {
            code: request.POST.get(f"title_{code}", "")[:MOST_TITLE] for code, _name in OTHER_LANGUAGES
        }
        incident.started_at = _started_at(request) or incident.started_at
    return incident


def _started_at(request: HttpRequest) -> datetime | None:
    given = [request.POST.get(f"started_at_{part}", "") for part in (0, 1)]
    try:
        return LocalDateTimeField(required=False).clean(given)  # type: ignore[no-any-return]
    except ValidationError:
        return None


def _prefix(request: HttpRequest) -> str:
    return PREFIX if f"{PREFIX}message" in request.POST else ""


def _demand_reporter(request: HttpRequest) -> None:
    if not (request.user.has_perm(CHANGE_INCIDENTS) or request.user.has_perm(ADD_INCIDENTS)):
        raise PermissionDenied
