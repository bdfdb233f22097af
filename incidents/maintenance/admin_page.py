"""The admin page of maintenance: plan it with its next dates in view, and act on what is under way."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Min, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from incidents.maintenance import acts, planning
from incidents.maintenance.choices import words_of
from incidents.maintenance.form import OTHER_LANGUAGES, PlanForm
from incidents.models import MaintenanceOccurrence, MaintenancePlan, MaintenanceUpdate
from monitoring.admin_site import signs
from monitoring.admin_site.accounting_admin import window_owners
from monitoring.models import Span

COMING_SHOWN, PAST_SHOWN = 10, 20
MOST_SERVICES_NAMED = 3
PREVIEW = "_preview"


def occurrence_sign(occurrence: MaintenanceOccurrence, now: datetime) -> SafeString:
    if occurrence.cancelled_at is not None:
        return signs.sign("archived", _("Skipped") if occurrence.is_skipped else _("Cancelled"))
    if occurrence.ended_at is not None:
        if occurrence.down_at_end:
            return signs.sign("partial", _("Ended while services were down: %d") % occurrence.down_at_end)
        return signs.sign("ok", _("Ended"))
    if occurrence.begun_at is not None:
        is_over = occurrence.until <= now
        return signs.sign("partial", _("Overrun")) if is_over else signs.sign("info", _("Under way"))
    return signs.sign("nodata", _("Announced") if occurrence.announced_at else _("Planned"))


def owner_url(window: Span) -> str | None:
    """Return the page of the plan that a window belongs to. One query."""
    plans = MaintenancePlan.objects.filter(occurrences__coverage__span=window.pk)
    pk = plans.values_list("pk", flat=True).first()
    return reverse("admin:incidents_maintenanceplan_change", args=[pk]) if pk else None


window_owners.append(owner_url)


class MaintenancePlanAdmin(ModelAdmin):
    form = PlanForm
    list_display = ("state_now", "title", "covers", "next_date", "recurrence", "author")
    list_display_links = ("title",)
    list_select_related = ("author",)
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    search_fields = ("title",)
    actions = None
    change_form_template = "admin/incidents/maintenanceplan/change_form.html"
    warn_unsaved_form = True
    readonly_fields = ("covers", "recurrence")

    def get_queryset(self, request: HttpRequest) -> QuerySet[MaintenancePlan]:
        is_open = Q(occurrences__ended_at=None, occurrences__cancelled_at=None)
        found: QuerySet[MaintenancePlan] = super().get_queryset(request).prefetch_related("services")
        return found.annotate(
            next_since=Min("occurrences__since", filter=is_open),
            next_until=Min("occurrences__until", filter=is_open),
            under_way=Count("occurrences", filter=is_open & Q(occurrences__begun_at__isnull=False)),
        ).order_by("-under_way", "next_since", "-id")

    def get_fieldsets(self, request: HttpRequest, obj: MaintenancePlan | None = None) -> Any:
        translated = [(f"title_{code}", f"description_{code}") for code, _name in OTHER_LANGUAGES]
        words = ("title", "description", *(name for names in translated for name in names))
        if not self._may_edit(request, obj):
            times = (("starts_on", "wall_time"), "zone", "duration_minutes", "recurrence")
            return [(None, {"fields": ("title", "description", "covers", *times, "announce_hours", "ends_by_hand")})]
        return [
            (None, {"fields": words}),
            (gettext_lazy("Affected services"), {"fields": ("covers_all", "services", "groups")}),
            (gettext_lazy("Time"), {"fields": (("starts_on", "wall_time"), "zone", "duration_minutes")}),
            (gettext_lazy("Recurrence"), {"fields": ("repeats", "days", ("number", "day"), "last_on", "rrule")}),
            (gettext_lazy("Announcement and end"), {"fields": ("announce_hours", "ends_by_hand")}),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if not self._may_edit(request, obj):
            return super().get_form(request, obj, change, **{**kwargs, "form": ModelForm})
        is_preview = request.method == "POST" and PREVIEW in request.POST
        return type("PlanFormOfRequest", (PlanForm,), {"is_preview": is_preview})

    def _may_edit(self, request: HttpRequest, plan: MaintenancePlan | None) -> bool:
        return bool(self.has_change_permission(request, plan) if plan else self.has_add_permission(request))

    @admin.display(description=gettext_lazy("Status"))
    def state_now(self, plan: Any) -> SafeString:
        if plan.cancelled_at is not None:
            return signs.sign("archived", _("Cancelled"))
        if plan.under_way:
            is_over = plan.next_until <= timezone.now()
            return signs.sign("partial", _("Overrun")) if is_over else signs.sign("info", _("Under way"))
        return signs.sign("nodata", _("Planned")) if plan.next_since else signs.sign("ok", _("Ended"))

    @admin.display(description=gettext_lazy("Services"))
    def covers(self, plan: MaintenancePlan) -> str:
        if plan.covers_all:
            return _("All services")
        names = [*(_("group %s") % group for group in plan.groups), *(str(each) for each in plan.services.all())]
        more = [f"+{len(names) - MOST_SERVICES_NAMED}"] if len(names) > MOST_SERVICES_NAMED else []
        return ", ".join([*names[:MOST_SERVICES_NAMED], *more])

    @admin.display(description=gettext_lazy("Next date"), ordering="next_since")
    def next_date(self, plan: Any) -> SafeString | str:
        if plan.next_since is None:
            return "–"
        local = plan.next_since.astimezone(ZoneInfo(plan.zone))
        return format_html('<span class="admin-number">{}</span>', f"{local:%Y-%m-%d %H:%M %Z}")

    @admin.display(description=gettext_lazy("Recurrence"))
    def recurrence(self, plan: MaintenancePlan) -> str:
        return words_of(plan.rrule)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        plan, now = kwargs.get("obj"), timezone.now()
        context["is_editable"] = self._may_edit(request, plan)
        form = context["adminform"].form
        context |= {"next_windows": getattr(form, "next_windows", ()), "preview_zone": form.instance.zone}
        if plan is not None:
            context |= _occurrences(plan, now)
        answer: HttpResponse = super().render_change_form(request, context, **kwargs)
        return answer

    def save_model(self, request: HttpRequest, obj: MaintenancePlan, form: PlanForm, change: bool) -> None:
        by: Any = request.user
        planning.save(obj, form.cleaned_data["services"], by=by, now=timezone.now(), zone=settings.PAGE_TIME_ZONE)

    def get_urls(self) -> list[URLPattern]:
        act = path("<int:pk>/act/", self.admin_site.admin_view(self.act), name="incidents_maintenanceplan_act")
        return [act, *super().get_urls()]

    @method_decorator(require_POST)
    def act(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Extend, end, skip or cancel, or write an update."""
        if not self.has_change_permission(request, None):
            raise PermissionDenied
        plan = get_object_or_404(MaintenancePlan, pk=pk)
        try:
            messages.success(request, _act(request, plan))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return HttpResponseRedirect(reverse("admin:incidents_maintenanceplan_change", args=[pk]))

    def has_change_permission(self, request: HttpRequest, obj: MaintenancePlan | None = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and (obj is None or obj.cancelled_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: MaintenancePlan | None = None) -> bool:
        return False  # figures were accounted with it; cancel it instead


def _occurrences(plan: MaintenancePlan, now: datetime) -> dict[str, Any]:
    """Return the occurrences of a plan for its page: those to come, and past ones with their updates."""
    coming = list(plan.occurrences.open().order_by("since")[:COMING_SHOWN])
    past = list(plan.occurrences.exclude(pk__in=plan.occurrences.open()).order_by("-since")[:PAST_SHOWN])
    said = MaintenanceUpdate.objects.filter(occurrence__in=[*coming, *past]).select_related("created_by", "occurrence")
    return {
        "coming": [(each, occurrence_sign(each, now)) for each in coming],
        "past": [(each, occurrence_sign(each, now)) for each in past],
        "said": said.order_by("-created_at", "-id"),
        "zone": plan.zone,
    }


def _act(request: HttpRequest, plan: MaintenancePlan) -> str:
    """Do what a button says, and return it in words. Raises `ValidationError`."""
    named: dict[str, Any] = {"by": request.user, "now": timezone.now(), "zone": settings.PAGE_TIME_ZONE}
    what = request.POST.get("act", "")
    if what == "cancel":
        acts.cancel(plan.pk, **named)
        return _("Cancelled. A date that was under way has ended.")
    occurrence = get_object_or_404(plan.occurrences, pk=_number(request, "occurrence"))
    if what == "extend":
        until = acts.extend(occurrence.pk, _number(request, "minutes"), **named).until
        return _("Extended until %(time)s.") % {"time": planning.local(until, plan.zone)}
    if what == "end":
        acts.end_now(occurrence.pk, **named)
        return _("Ended.")
    if what == "skip":
        acts.skip(occurrence.pk, **named)
        return _("Skipped.")
    if what == "update":
        update = MaintenanceUpdate(
            occurrence=occurrence,
            message=request.POST.get("message", ""),
            is_customer_visible="is_customer_visible" in request.POST,
        )
        acts.post(update, by=named["by"], now=named["now"])
        return _("The update is stored.")
    raise ValidationError(_("“%(act)s” is unknown. Use the buttons of the page."), params={"act": what})


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise ValidationError(_("“%(text)s” is not a number. Enter whole minutes."), params={"text": text[:20]})
    return int(text)
