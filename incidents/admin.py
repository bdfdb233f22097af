"""The admin pages of incidents: viewers read, reporters and admins file and update."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import Count, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin, StackedInline
from unfold.widgets import UnfoldAdminTextareaWidget

from incidents import reporting
from incidents.dashboard import status_sign
from incidents.decisions import DECISIONS
from incidents.incident_filters import StageFilter
from incidents.incident_form import IMPACT_FIELDS, PUBLISH, IncidentForm, UpdateForm
from incidents.lifecycle import begun
from incidents.maintenance.admin_page import MaintenancePlanAdmin
from incidents.models import AffectedService, Incident, IncidentStatus, IncidentUpdate, MaintenancePlan
from incidents.outages import shown
from monitoring.admin_site.local_times import OVERRIDES
from monitoring.admin_site.signs import sign
from observability.events import Action, Subject, tell_when_committed

NEXT_STEPS: dict[str, Any] = {
    IncidentStatus.INVESTIGATING: _(
        "Next: as soon as the cause is known, post an update with the status “Identified”."
    ),
    IncidentStatus.IDENTIFIED: _("Next: when a fix is in place, post an update with the status “Monitoring”."),
    IncidentStatus.MONITORING: _("Next: when the service stays stable, post an update with the status “Resolved”."),
    IncidentStatus.RESOLVED: _("Closed. An update with another status reopens it."),
}
MOST_SERVICES_NAMED = 3  # services that a row of the list names


class UpdateInline(StackedInline):
    """A form for one more update; earlier updates can't be changed."""

    model = IncidentUpdate
    form = UpdateForm
    extra = max_num = 1
    can_delete = False
    fields = ("status", "message", "is_customer_visible")
    verbose_name = verbose_name_plural = _("new update")

    def get_queryset(self, request: HttpRequest) -> QuerySet[IncidentUpdate]:
        return IncidentUpdate.objects.none()  # the time line of the page shows earlier updates

    def get_formset(self, request: HttpRequest, obj: Incident | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        if obj is not None:
            formset.form.current_status = obj.status  # a class created for this request
            if obj.published_at is None and (proposal := reporting.proposal_of(obj)):
                formset.form.current_status, formset.form.proposed_message = proposal.status, proposal.message
        return formset

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # published updates stay

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Incident)
class IncidentAdmin(ModelAdmin):
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
        touched = tuple(IMPACT_FIELDS.values()) if self._may_edit(request, obj) else ("services_by_impact",)
        sets = [
            (None, {"fields": ("title", "description", ("severity", "priority"), *times)}),
            (_("Affected services"), {"fields": touched}),
        ]
        if obj is None:
            return sets
        return [*sets, (_("Follow-up"), {"fields": (*after, ("filed_by", "closed_by")), "classes": ["collapse"]})]

    def get_inlines(self, request: HttpRequest, obj: Incident | None) -> Any:
        return self.inlines if self._may_edit(request, obj) else ()

    def _may_edit(self, request: HttpRequest, incident: Incident | None) -> bool:
        return bool(self.has_change_permission(request, incident) if incident else self.has_add_permission(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        """Return the incidents with their services, `touched`; in the list, with the first ones only."""
        columns = ("incident", "impact", "service__name", "service__display_name")  # and not the evidence
        affected = AffectedService.objects.select_related("service").only(*columns).order_by("service__name")
        found: QuerySet[Incident] = super().get_queryset(request).annotate(number=Count("affectedservice"))
        is_list = request.resolver_match is not None and str(request.resolver_match.url_name).endswith("_changelist")
        shown = affected[:MOST_SERVICES_NAMED] if is_list else affected
        return found.prefetch_related(Prefetch("affectedservice_set", shown, to_attr="touched"))

    @admin.display(description=_("Status"), ordering="status")
    def status_now(self, incident: Incident) -> SafeString | str:
        if incident.pk is None:
            return "–"
        if incident.dismissed_at is not None:
            return sign("archived", gettext("Dismissed"))
        if incident.published_at is None:
            return sign("nodata", gettext("Draft"), gettext("Only people with an account see it."))
        return status_sign(incident.status)

    @admin.display(description=_("Services"))
    def services(self, incident: Incident) -> str:
        names = [str(affected.service) for affected in incident.touched]  # type: ignore[attr-defined]
        number: int = incident.number  # type: ignore[attr-defined]
        more = [f"+{number - MOST_SERVICES_NAMED}"] if number > MOST_SERVICES_NAMED else []
        return ", ".join([*names[:MOST_SERVICES_NAMED], *more]) or "–"

    @admin.display(description=_("Services"))
    def services_by_impact(self, incident: Incident) -> SafeString | str:
        named = ((str(each.service), each.get_impact_display()) for each in incident.touched)  # type: ignore[attr-defined]
        return format_html_join(mark_safe("<br>"), '{} <span class="admin-muted">· {}</span>', named) or "–"

    @admin.display(description=_("Duration"))
    def duration(self, incident: Incident) -> SafeString | str:
        if incident.duration_minutes is None:
            return _("open")  # type: ignore[return-value]  # a lazy text
        hours, minutes = divmod(incident.duration_minutes, 60)
        words = gettext("%(hours)d h %(minutes)02d min") if hours else gettext("%(minutes)d min")
        words %= {"hours": hours, "minutes": minutes}
        return format_html('<span class="admin-number">{}</span>', words)

    @admin.display(description=_("Filed by"))
    def filed_by(self, incident: Incident) -> str:
        return str(incident.created_by or "–")

    @admin.display(description=_("Resolved by"))
    def closed_by(self, incident: Incident) -> str:
        return str(incident.resolved_by or "–")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        incident = Incident.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        context: dict[str, Any] = {"flow": IncidentStatus.choices}
        if incident is not None:
            context["said"] = reporting.said(incident)
            may_edit = self._may_edit(request, incident)
            context |= {"next_step": NEXT_STEPS[incident.status] if may_edit else "", "may_decide": may_edit}
            context["is_draft"] = incident.published_at is None and incident.dismissed_at is None
            context["proposal"] = reporting.proposal_of(incident)
            context["evidence"], context["more_evidence"] = shown.of_incident(incident)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

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
        return [decide, *super().get_urls()]

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

    def response_change(self, request: HttpRequest, obj: Incident) -> HttpResponse:
        response: HttpResponse = super().response_change(request, obj)
        if PUBLISH in request.POST:
            return HttpResponseRedirect(reverse("admin:incidents_incident_change", args=[obj.pk]))
        return response

    def save_model(self, request: HttpRequest, obj: Incident, form: IncidentForm, change: bool) -> None:
        now = timezone.now()
        if not change:
            obj.created_by = obj.published_by = request.user  # type: ignore[assignment]
            obj.published_at = now
        elif obj.is_automatic:
            reporting.acknowledge(obj, who=request.user, now=now)  # type: ignore[arg-type]
        if "title" in form.changed_data:
            obj.title_translations = {}  # those of the earlier title
        reporting.follow(obj, begun(reporting.course_of(obj), obj.started_at), obj.resolved_by)
        obj.save()

    def save_related(self, request: HttpRequest, form: IncidentForm, formsets: Any, change: bool) -> None:
        now = timezone.now()
        reporting.affect(form.instance, form.impacts)
        tell_when_committed(Subject.INCIDENT, Action.UPDATED if change else Action.CREATED, [form.instance.pk])
        for formset in formsets:
            for update in formset.save(commit=False):
                update.incident = form.instance
                if not reporting.reword_proposal(update, who=request.user):  # type: ignore[arg-type]
                    reporting.post(update, who=request.user, now=now, reopens=True)  # type: ignore[arg-type]
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


admin.site.register(MaintenancePlan, MaintenancePlanAdmin)
