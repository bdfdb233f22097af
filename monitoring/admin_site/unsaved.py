"""The form of a service before it is saved: the problems of its fields, and a check with what it says.

Both validate the same form as saving, and store nothing. A stored secret is opened only at its place, so an unsaved
address of another origin needs the secret again.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.permissions import PROBE_SERVICES
from monitoring.admin_site import attempts
from monitoring.models import Service

ONLY_TO_SAVE = ("id", "name", "display_name")  # a check doesn't depend on them, so they may still be missing
STAND_IN_ID = "unsaved"


def try_now(model_admin: Any, request: HttpRequest, service_id: str | None) -> HttpResponse:
    """Check what the form describes, and show verdict and phases; `?part` returns only these."""
    if not request.user.has_perm(PROBE_SERVICES):
        raise PermissionDenied
    form = _form(model_admin, request, service_id, {"id": STAND_IN_ID})
    problems = [
        (form.fields[name].label if name in form.fields else "", words)
        for name, words in form.errors.items()
        if name not in ONLY_TO_SAVE
    ]
    found = {"problems": problems} if problems else attempts.tried(form.instance)
    context = {**model_admin.admin_site.each_context(request), "title": _("Try it now"), "is_unsaved": True, **found}
    context["back"] = _back(service_id)
    name = "_attempt.html" if "part" in request.GET else "try_now.html"
    return TemplateResponse(request, f"admin/monitoring/service/{name}", context)


def problems(model_admin: Any, request: HttpRequest, service_id: str | None) -> HttpResponse:
    """Return the problems of each field as JSON; the page shows those of the fields that the user has left."""
    form = _form(model_admin, request, service_id, {})
    return JsonResponse({name: list(map(str, words)) for name, words in form.errors.items()})


def _form(model_admin: Any, request: HttpRequest, service_id: str | None, values: dict[str, str]) -> Any:
    """Return the submitted form, validated, for a new service or an existing one."""
    service = None
    if service_id is None:
        is_allowed = model_admin.has_add_permission(request)
    else:
        service = Service.objects.present().filter(pk=service_id).first()
        is_allowed = model_admin.has_change_permission(request, service)
    if not is_allowed:
        raise PermissionDenied
    if service_id is not None and service is None:
        raise Http404(service_id)
    data = request.POST.copy()
    for name, value in values.items() if service is None else ():
        data[name] = value
    form = model_admin.get_form(request, service, change=service is not None)(data, instance=service)
    form.is_valid()
    return form


def _back(service_id: str | None) -> str:
    if service_id is None:
        return reverse("admin:monitoring_service_add")
    return reverse("admin:monitoring_service_change", args=[service_id])
