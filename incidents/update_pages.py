"""The pages of single updates in the admin: change, publish or cancel one that waits, and correct a published one."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.permissions import CHANGE_INCIDENTS
from incidents import corrections, languages, reporting, update_help
from incidents.correction_form import CorrectionForm
from incidents.models import Incident, IncidentUpdate, UpdateTemplate
from incidents.update_form import UpdateForm
from observability.events import Action, Subject, tell_when_committed


def urls() -> list[URLPattern]:
    view = admin.site.admin_view
    return [
        path("preview/", view(update_help.preview), name="preview_update"),
        path("template/", view(update_help.filled), name="fill_update_template"),
        path("<int:incident_id>/updates/<int:update_id>/", view(page), name="incident_update"),
        path("<int:incident_id>/updates/<int:update_id>/act/", view(act), name="act_on_update"),
    ]


@require_http_methods(["GET", "POST"])
@transaction.atomic
def page(request: HttpRequest, incident_id: int, update_id: int) -> HttpResponse:
    """Change an update that waits, or correct one that is published."""
    incident, update = _find(request, incident_id, update_id)
    if update.published_at is not None:
        return _correct(request, incident, update)
    return _change(request, incident, update)


def _change(request: HttpRequest, incident: Incident, update: IncidentUpdate) -> HttpResponse:
    form_class = type("UpdateFormOfRequest", (UpdateForm,), {"incident": incident})
    form = form_class(request.POST or None, instance=update)
    if request.method == "POST" and form.is_valid():
        form.write(incident, who=request.user, now=timezone.now())
        return _done(request, incident, _("The update was changed."), "update changed")
    return _render(request, incident, form, _("Change an update"))


def _correct(request: HttpRequest, incident: Incident, update: IncidentUpdate) -> HttpResponse:
    texts = update.message, update.message_translations  # which the form overwrites
    form: Any = CorrectionForm(request.POST or None, instance=update)
    if request.method == "POST" and form.is_valid():
        new = form.cleaned_data["message"], languages.read(form, "message")
        corrections.correct(update.pk, *new, who=request.user, now=timezone.now())  # type: ignore[arg-type]
        return _done(request, incident, _("The update was corrected."), "update corrected")
    return _render(request, incident, form, _("Correct an update"), current=texts)


@require_POST
def act(request: HttpRequest, incident_id: int, update_id: int) -> HttpResponse:
    """Publish an update that waits now, reopen the incident with it, or cancel it."""
    try:
        with transaction.atomic():
            incident, update = _find(request, incident_id, update_id)
            if update.published_at is not None:
                raise ValidationError(_("This update is published already. Correct its text instead."))
            return _act(request, incident, update)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return _back(incident_id)


def _act(request: HttpRequest, incident: Incident, update: IncidentUpdate) -> HttpResponse:
    what = request.POST.get("act", "")
    if what == "cancel":
        update.delete()
        return _done(request, incident, _("The update was cancelled."), "update cancelled")
    if what not in ("publish", "reopen"):
        raise ValidationError(_("“%(act)s” is unknown. Use the buttons of the page."), params={"act": what[:20]})
    if incident.published_at is None:
        raise ValidationError(_("This incident is a draft. Publish it first."))
    update.metadata.pop("refused", None)
    reporting.post(update, who=request.user, now=timezone.now(), reopens=what == "reopen")  # type: ignore[arg-type]
    return _done(request, incident, _("The update was published."), "update published")


def _find(request: HttpRequest, incident_id: int, update_id: int) -> tuple[Incident, IncidentUpdate]:
    """Return an incident and one of its updates, both locked, in the order of all writers."""
    if not request.user.has_perm(CHANGE_INCIDENTS):
        raise PermissionDenied
    try:
        incident = reporting.locked(incident_id)
        update = incident.updates.select_for_update().get(pk=update_id, is_proposed=False)
    except (Incident.DoesNotExist, IncidentUpdate.DoesNotExist) as error:
        raise Http404(update_id) from error
    update.incident = incident
    return incident, update


def _done(request: HttpRequest, incident: Incident, words: str, what: str) -> HttpResponse:
    """Tell everybody that an update of an incident changed, and return to its page."""
    reporting.publish(timezone.now())
    admin.site.get_model_admin(Incident).log_change(request, incident, words)
    tell_when_committed(Subject.INCIDENT, Action.UPDATED, [incident.pk], what=what)
    messages.success(request, words)
    return _back(incident.pk)


def _back(incident_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:incidents_incident_change", args=[incident_id]))


def _render(request: HttpRequest, incident: Incident, form: Any, title: str, *, current: Any = None) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": title,
        "incident": incident,
        "form": form,
        "current": current,
        "templates": [] if current else UpdateTemplate.objects.order_by("name"),
        "media": admin.site.get_model_admin(Incident).media + form.media,
    }
    return render(request, "admin/incidents/incident/update.html", context)
