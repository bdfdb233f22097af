"""The admin page of a post-mortem: its form with the timeline, and publishing."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from incidents import markdown, post_mortems, reporting
from incidents.models import Incident, IncidentStatus, PostMortem
from incidents.post_mortem_form import ActionFormSet, PostMortemForm
from incidents.post_mortems import Event, EventKind
from monitoring.models import Service
from monitoring.rules.state import Status
from monitoring.words.statuses import NOW_LABELS

VIEW = "incidents.view_postmortem"
CHANGE = "incidents.change_postmortem"
LARGEST_ID = 2**31 - 1


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    view = admin.site.admin_view(show)
    return [path("incidents/incident/<int:incident_id>/post-mortem/", view, name="post_mortem")]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(VIEW, raise_exception=True)
def show(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Show the form, or do what its button says: `save`, `publish` (which saves first), `unpublish` or `preview`."""
    if request.method != "POST":
        return _page(request, _find(incident_id))
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    act, now = request.POST.get("act", ""), timezone.now()
    try:
        with transaction.atomic():
            post_mortem = _find(incident_id, is_locked=True)
            if act == "unpublish":
                return _unpublish(request, post_mortem, now)
            form, actions = _forms(request, post_mortem)
            is_valid = form.is_valid() and actions.is_valid()
            if act == "preview" or not is_valid:
                return _page(request, _find(incident_id), form, actions, is_preview=act == "preview")
            _save(form, actions, request.user, now)
            if act == "publish":
                post_mortems.publish(form.instance, who=request.user, now=now)  # type: ignore[arg-type]
            reporting.publish(now)
    except ValidationError as error:
        # Nothing was saved; the form shows what was entered.
        messages.error(request, " ".join(error.messages))
        stored = _find(incident_id)
        return _page(request, stored, *_forms(request, stored))
    messages.success(request, _("The post-mortem is published.") if act == "publish" else _("Saved."))
    return _back(incident_id)


def _unpublish(request: HttpRequest, post_mortem: PostMortem, now: datetime) -> HttpResponse:
    post_mortems.unpublish(post_mortem)
    reporting.publish(now)
    messages.success(request, _("Customers no longer see the post-mortem."))
    return _back(post_mortem.incident.pk)


def _find(incident_id: int, *, is_locked: bool = False) -> PostMortem:
    """Return the post-mortem of an incident, whose row is locked; or one that is not stored yet."""
    found = Incident.objects.select_for_update() if is_locked else Incident.objects.all()
    incident = found.filter(pk=min(incident_id, LARGEST_ID)).first()
    if incident is None:
        raise Http404(incident_id)
    stored = PostMortem.objects.select_related("published_by").filter(incident=incident).first()
    post_mortem = stored or PostMortem(root_cause=incident.root_cause)
    post_mortem.incident = incident
    return post_mortem


def _forms(request: HttpRequest, post_mortem: PostMortem) -> tuple[PostMortemForm, Any]:
    form = PostMortemForm(request.POST, instance=post_mortem)
    return form, ActionFormSet(request.POST, instance=post_mortem, prefix="actions")


def _save(form: PostMortemForm, actions: Any, who: Any, now: datetime) -> None:
    if form.instance.created_by is None and not form.instance.updated_at:
        form.instance.created_by = who
    form.save()
    for each in actions:
        each.note(now)
    actions.save()


def _page(
    request: HttpRequest,
    post_mortem: PostMortem,
    form: PostMortemForm | None = None,
    actions: Any = None,
    *,
    is_preview: bool = False,
) -> HttpResponse:
    incident, now = post_mortem.incident, timezone.now()
    form = form or PostMortemForm(instance=post_mortem)
    texts = [(str(each.label), markdown.html(str(each.value() or ""))) for each in form.texts()]
    context = {
        **admin.site.each_context(request),
        "title": _("Post-mortem"),
        "is_fullwidth": "1",
        "incident": incident,
        "post_mortem": post_mortem,
        "form": form,
        "actions": actions or ActionFormSet(instance=post_mortem, prefix="actions"),
        "may_edit": request.user.has_perm(CHANGE),
        "may_publish": incident.published_at is not None and incident.status == IncidentStatus.RESOLVED,
        "is_preview": is_preview,
        "texts": [(label, text) for label, text in texts if text],
        "follow_ups": post_mortem.follow_ups.select_related("owner").order_by("pk") if post_mortem.updated_at else (),
        "timeline": _timeline(post_mortems.timeline(incident, with_internal=True, now=now)),
        "today": timezone.localdate(),
    }
    return TemplateResponse(request, "admin/incidents/post_mortem/page.html", context)


def _timeline(events: list[Event]) -> list[dict[str, Any]]:
    """Return the timeline with names and words. One query."""
    names = {each.pk: str(each) for each in Service.objects.filter(pk__in={event.service_id for event in events})}
    return [
        {
            "event": event,
            "name": names.get(event.service_id or "", "") or (_("All services") if _is_maintenance(event) else ""),
            "status": _status(event),
            "html": markdown.html(event.text) if event.kind is EventKind.UPDATE else "",
        }
        for event in events
    ]


def _is_maintenance(event: Event) -> bool:
    return event.kind is EventKind.MAINTENANCE


def _status(event: Event) -> str:
    if event.kind is EventKind.TRANSITION:
        return str(NOW_LABELS[Status(event.status)])
    if event.kind is EventKind.UPDATE:
        return str(IncidentStatus(event.status).label)
    return _("Maintenance")


def _back(incident_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:post_mortem", args=[incident_id]))
