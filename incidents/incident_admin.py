"""The admin page of an incident: viewers read, reporters and admins file and update."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import Count, Prefetch, QuerySet
from django.forms.widgets import Script
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from incidents import clocks, reporting, timeline, update_pages
from incidents.decisions import DECISIONS
from incidents.incident_filters import StageFilter
from incidents.incident_form import DRAFT, IMPACT_FIELDS, PUBLISH, IncidentForm
from incidents.incident_list import MOST_SERVICES_NAMED, IncidentColumns
from incidents.languages import fields_of, read
from incidents.lifecycle import begun
from incidents.models import AffectedService, Incident, IncidentStatus, UpdateTemplate
from incidents.outages import shown
from incidents.update_inline import UpdateInline
from monitoring.admin_site.local_times import OVERRIDES
from observability.events import Action, Subject, tell_when_committed

NEXT_STEPS: dict[str, Any] = {
    IncidentStatus.INVESTIGATING: _(
        "Next: as soon as the cause is known, post an update with the status “Identified”."
    ),
    IncidentStatus.IDENTIFIED: _("Next: when a fix is in place, post an update with the status “Monitoring”."),
    IncidentStatus.MONITORING: _("Next: when the service stays stable, post an update with the status “Resolved”."),
    IncidentStatus.RESOLVED: _("Closed. To open it again, post an update with “Reopen the incident”."),
}


class IncidentAdmin(IncidentColumns, ModelAdmin):
    form = IncidentForm
    formfield_overrides = OVERRIDES
    inlines = (UpdateInline,)
    list_display = ("status_now", "title", "priority", "severity", "services", "started_at", "duration")
    list_display_links = ("title",)
    list_filter = (StageFilter, "status", "priority", "severity")
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("title",)
    search_help_text = _("Title")
    about_empty = _("An incident tells people what is wrong, and later what was done.")
    ordering = ("-started_at",)
    actions = None
    change_form_template = "admin/incidents/incident/change_form.html"
    warn_unsaved_form = True

    class Media:
        js = (Script("incidents/update-form.js", type="module"),)

    readonly_fields = (
        "status_now",
        "services_by_impact",
        "identified_at",
        "resolved_at",
        "duration",
        "filed_by",
        "closed_by",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Incident | None = None) -> Any:
        times = ("started_at",) if obj is None else ("started_at", ("identified_at", "resolved_at"), "duration")
        after = ("impact_description", "root_cause", "resolution_notes")
        # Read-only users don't see the form's own fields.
        may_edit = self._may_edit(request, obj)
        touched = tuple(IMPACT_FIELDS.values()) if may_edit else ("services_by_impact",)
        titles = ("title", *(fields_of("title") if may_edit else ()))
        sets = [
            (None, {"fields": (*titles, "description", ("severity", "priority"), *times)}),
            (_("Affected services"), {"fields": touched}),
        ]
        if obj is None:
            return sets
        return [*sets, (_("Follow-up"), {"fields": (*after, ("filed_by", "closed_by")), "classes": ["collapse"]})]

    def get_inlines(self, request: HttpRequest, obj: Incident | None) -> Any:
        is_dismissed = obj is not None and obj.dismissed_at is not None
        return self.inlines if self._may_edit(request, obj) and not is_dismissed else ()

    def _may_edit(self, request: HttpRequest, incident: Incident | None) -> bool:
        return bool(self.has_change_permission(request, incident) if incident else self.has_add_permission(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        """Return the incidents with their services, `touched`; in the list, with the first ones only."""
        columns = ("incident", "impact", "service__name", "service__display_name")  # and not the evidence
        affected = AffectedService.objects.select_related("service").only(*columns).order_by("service__name")
        found: QuerySet[Incident] = super().get_queryset(request).annotate(number=Count("affectedservice"))
        is_list = request.resolver_match is not None and str(request.resolver_match.url_name).endswith("_changelist")
        first = affected[:MOST_SERVICES_NAMED] if is_list else affected
        return found.prefetch_related(Prefetch("affectedservice_set", first, to_attr="touched"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        incident = Incident.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        context: dict[str, Any] = {"flow": IncidentStatus.choices}
        if incident is not None:
            may_edit = self._may_edit(request, incident)
            context |= {"next_step": NEXT_STEPS[incident.status] if may_edit else "", "may_decide": may_edit}
            context |= timeline.of_incident(incident)
            context["is_draft"] = incident.published_at is None and incident.dismissed_at is None
            context["proposal"] = reporting.proposal_of(incident)
            context["evidence"], context["more_evidence"] = shown.of_incident(incident)
            context["response"] = clocks.of_incident(incident, timezone.now())
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        context["templates"] = UpdateTemplate.objects.order_by("name")
        answer: HttpResponse = super().render_change_form(request, context, **kwargs)
        return answer

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.TextField):
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return initial values, which a link may set: the overview does for outages without an incident."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        named = {name: given[name].split(",") for name in IMPACT_FIELDS.values() if name in given}
        return {**given, **named, "started_at": _instant(given.get("started_at", "")) or timezone.now()}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Incident | None:
        found: Incident | None = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST":
            # With two concurrent reporters, the later one sees the update of the earlier one.
            locked = Incident.objects.select_for_update().get(pk=found.pk)
            for field in Incident._meta.concrete_fields:
                setattr(found, field.attname, getattr(locked, field.attname))
        return found

    def get_urls(self) -> list[URLPattern]:
        decide = path("<int:incident_id>/decide/", self.admin_site.admin_view(self.decide), name="decide_incident")
        return [decide, *update_pages.urls(), *super().get_urls()]

    @method_decorator(require_POST)
    def decide(self, request: HttpRequest, incident_id: int) -> HttpResponse:
        """Publish, dismiss or acknowledge an incident, or post what the monitor proposes."""
        act = DECISIONS.get(request.POST.get("decision", ""))
        try:
            with transaction.atomic():
                incident = reporting.locked(incident_id)
                if act is None or not self._may_edit(request, incident):
                    raise PermissionDenied
                act(incident, request.user, timezone.now())  # type: ignore[arg-type]
                if incident.published_at is not None:
                    reporting.publish(timezone.now())
                self.log_change(request, incident, request.POST["decision"])
        except Incident.DoesNotExist as error:
            raise Http404(incident_id) from error
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return HttpResponseRedirect(reverse("admin:incidents_incident_change", args=[incident_id]))

    def response_post_save_add(self, request: HttpRequest, obj: Incident) -> HttpResponse:
        """Stay at the incident: its timeline shows what has been published."""
        return HttpResponseRedirect(reverse("admin:incidents_incident_change", args=[obj.pk]))

    response_post_save_change = response_post_save_add

    def save_model(self, request: HttpRequest, obj: Incident, form: IncidentForm, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
            if DRAFT not in request.POST:
                obj.published_at, obj.published_by = now, request.user  # type: ignore[assignment]
                reporting.acknowledge(obj, who=request.user, now=now)  # type: ignore[arg-type]
        elif obj.is_automatic:
            reporting.acknowledge(obj, who=request.user, now=now)  # type: ignore[arg-type]
        obj.title_translations = read(form, "title")
        reporting.follow(obj, begun(reporting.course_of(obj), obj.started_at), obj.resolved_by)
        obj.save()

    def save_related(self, request: HttpRequest, form: IncidentForm, formsets: Any, change: bool) -> None:
        now = timezone.now()
        reporting.affect(form.instance, form.impacts)
        tell_when_committed(Subject.INCIDENT, Action.UPDATED if change else Action.CREATED, [form.instance.pk])
        for formset in formsets:
            formset.save(commit=False)  # which the history of the admin reads
            for update_form in formset.extra_forms:
                if update_form.has_changed():
                    update_form.write(form.instance, who=request.user, now=now)
        if PUBLISH in request.POST:
            reporting.publish_incident(form.instance, who=request.user, now=now)  # type: ignore[arg-type]
        reporting.publish(now)

    def has_delete_permission(self, request: HttpRequest, obj: Incident | None = None) -> bool:
        return False  # published incidents are part of the record; resolve it, and say why


def _instant(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at is not None and timezone.is_aware(at) else None
