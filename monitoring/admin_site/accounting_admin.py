"""Admin pages of accounting policies, maintenance windows and restatements."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import DateTimeField, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from monitoring.accounting import amendments
from monitoring.admin_site.local_times import OVERRIDES
from monitoring.models import AccountingPolicy, MaintenanceWindow, Restatement, Span
from monitoring.rules.calendar_days import day_of


class PolicyForm(ModelForm):  # type: ignore[type-arg]  # takes no arguments when running
    """The form of a next version, which is validated as a whole, as the model does not know the current day."""

    class Meta:
        model = AccountingPolicy
        fields = (
            "name",
            "effective_on",
            "failure_threshold",
            "recovery_threshold",
            "gap_factor",
            "partial_weight_percent",
            "counts_maintenance",
            "maintenance_notice_hours",
            "late_maintenance",
            "major_below",
            "reason",
        )
        help_texts: ClassVar[dict[str, Any]] = {
            "maintenance_notice_hours": gettext_lazy(
                "Minimum time between entering a maintenance window and its beginning. 0: any time before."
            ),
            "late_maintenance": gettext_lazy(
                "How maintenance that was entered or changed too late is accounted. The ledger shows it in any case."
            ),
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        day, name = data.get("effective_on"), data.get("name")
        if day and name:
            earliest = amendments.earliest_day(name, timezone.now(), settings.PAGE_TIME_ZONE)
            if day < earliest:
                words = _("Choose %(day)s or a later day: past figures are not changed.")
                self.add_error("effective_on", words % {"day": earliest})
        return data


class BookAdmin(ModelAdmin):
    """The base class of these pages: short texts have short fields, and times show their zone."""

    formfield_overrides = OVERRIDES

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "reason":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        if db_field.name == "name":
            kwargs["widget"] = UnfoldAdminTextInputWidget()
        if isinstance(db_field, DateTimeField):
            kwargs["help_text"] = zone_words()
        if db_field.name == "service":
            kwargs["label"] = _("Service")
        return super().formfield_for_dbfield(db_field, request, **kwargs)


PUBLIC_REASON = gettext_lazy("Public: shown in the ledger next to the changed figures.")


def zone_words() -> str:
    return _("In %(zone)s.") % {"zone": settings.PAGE_TIME_ZONE}


class AccountingPolicyAdmin(BookAdmin):
    form = PolicyForm
    list_display = (
        "name",
        "version",
        "effective_on",
        "failure_threshold",
        "recovery_threshold",
        "gap_factor",
        "author",
    )
    list_filter = ("name",)
    ordering = ("name", "-version")
    actions = None

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        newest = AccountingPolicy.objects.newest_first().first()
        rules = amendments.defaults_of(newest) if newest else {}
        tomorrow = day_of(timezone.now(), settings.PAGE_TIME_ZONE) + timedelta(days=1)
        return {**rules, "effective_on": tomorrow}

    def save_model(self, request: HttpRequest, obj: AccountingPolicy, form: Any, change: bool) -> None:
        author: Any = request.user
        amendments.next_version(obj, author=author, now=timezone.now(), zone=settings.PAGE_TIME_ZONE)

    def has_change_permission(self, request: HttpRequest, obj: AccountingPolicy | None = None) -> bool:
        return False  # figures were accounted under it; add the next version instead

    def has_delete_permission(self, request: HttpRequest, obj: AccountingPolicy | None = None) -> bool:
        return False


class WindowForm(ModelForm):  # type: ignore[type-arg]
    """Refuses a window that overlaps another one of the service: its reason would be ambiguous in the ledger."""

    class Meta:
        model = MaintenanceWindow
        fields = ("service", "since", "until", "reason")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("since") and "until" in data and "service" in data:
            times = {name: data[name] for name in ("service", "since", "until")}
            met = list(amendments.overlapping(Span(pk=self.instance.pk, **times)))[:1]
            if met:
                words = _("It overlaps “%(name)s”, %(since)s – %(until)s. Enter only the time before or after it.")
                until = timezone.localtime(met[0].until).strftime("%Y-%m-%d %H:%M") if met[0].until else "…"
                since = timezone.localtime(met[0].since).strftime("%Y-%m-%d %H:%M")
                name = met[0].reason or _("maintenance")
                raise ValidationError(words, params={"name": name, "since": since, "until": until})
        return data


# Functions of other apps, each of which returns the link to the page that owns a window, where it is changed; or None.
window_owners: list[Callable[[Span], str | None]] = []


def owner_of(window: Span | None) -> str | None:
    found = (find(window) for find in window_owners if window is not None)
    return next(filter(None, found), None)


class MaintenanceWindowAdmin(BookAdmin):
    """Windows as they are accounted: those of plans, and those that an admin enters alone, such as late ones."""

    form = WindowForm
    fields = ("service", "since", "until", "reason")
    autocomplete_fields = ("service",)
    list_display = ("since", "until", "what", "reason", "created_at", "author")
    list_select_related = ("service", "author")
    about_empty = gettext_lazy("Time announced as maintenance counts neither as uptime nor as downtime.")
    ordering = ("-since",)
    actions = None
    change_form_template = "admin/monitoring/maintenancewindow/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[MaintenanceWindow]:
        found: QuerySet[MaintenanceWindow] = super().get_queryset(request).maintenance()
        return found

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        window = kwargs.get("obj")
        context["owner_url"] = owner_of(window)
        earlier = window.earlier.select_related("service", "author", "replaced_by") if window else None
        context["earlier"] = earlier.order_by("-replaced_at", "-id") if earlier is not None else ()
        answer: HttpResponse = super().render_change_form(request, context, **kwargs)
        return answer

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "service" in form.base_fields:
            form.base_fields["service"].help_text = _("Leave empty for all services.")
            until = _("Leave empty if it lasts until somebody ends it.")
            form.base_fields["until"].help_text = f"{until} {zone_words()}"
            form.base_fields["reason"].help_text = PUBLIC_REASON
        return form

    @admin.display(description=gettext_lazy("Service"), ordering="service")
    def what(self, window: MaintenanceWindow) -> str:
        return str(window.service) if window.service else _("All services")

    def save_model(self, request: HttpRequest, obj: MaintenanceWindow, form: Any, change: bool) -> None:
        by: Any = request.user
        now, zone = timezone.now(), settings.PAGE_TIME_ZONE
        amendments.keep_span(obj, by=by, now=now, zone=zone)
        if obj.created_at == now and amendments.is_late(obj, now, zone):
            messages.warning(
                request,
                _("Part of this window was entered too late. The ledger shows this, and the figures as measured."),
            )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and owner_of(obj) is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # figures were accounted with it; change its end instead


class RestatementForm(ModelForm):  # type: ignore[type-arg]  # takes no arguments when running
    class Meta:
        model = Restatement
        fields = ("service", "since", "until", "restated_as", "reason")

    def clean_until(self) -> datetime:
        until: datetime = self.cleaned_data["until"]
        if until > timezone.now():
            raise ValidationError(_("Choose a time in the past: future time cannot have been measured wrongly."))
        return until


class RestatementAdmin(BookAdmin):
    form = RestatementForm
    fields = ("service", "since", "until", "restated_as", "reason")
    autocomplete_fields = ("service",)
    list_display = ("service", "since", "until", "restated_as", "proposed_by", "is_approved", "who_decided")
    list_filter = ("is_approved",)
    list_select_related = ("service", "proposed_by", "decided_by")
    about_empty = gettext_lazy(
        "A restatement corrects time that was measured wrongly. Everybody can see it in the ledger."
    )
    ordering = ("-proposed_at",)
    actions = None
    change_form_template = "admin/monitoring/restatement/change_form.html"

    @admin.display(description=gettext_lazy("Decided by"), ordering="decided_by")
    def who_decided(self, restatement: Restatement) -> str:
        by = str(restatement.decided_by or "–")
        return f"{by} ({_('self-approved')})" if restatement.is_self_approved else by

    def get_urls(self) -> list[URLPattern]:
        decide = path("<int:pk>/decide/", self.admin_site.admin_view(self.decide), name="monitoring_restatement_decide")
        return [decide, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Restatement, form: Any, change: bool) -> None:
        obj.proposed_by, obj.proposed_at = request.user, timezone.now()  # type: ignore[assignment]
        obj.save()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "reason" in form.base_fields:
            form.base_fields["reason"].help_text = PUBLIC_REASON
        return form

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        restatement, user = kwargs.get("obj"), request.user
        is_own = restatement is not None and restatement.proposed_by_id == user.pk
        context["others"] = amendments.who_else_may_approve(user) if is_own else []  # type: ignore[arg-type]
        context["is_own"] = is_own
        answer: HttpResponse = super().render_change_form(request, context, **kwargs)
        return answer

    @method_decorator(require_POST)
    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Approve or reject; only admins, and only once."""
        if not request.user.has_perm("monitoring.change_restatement"):
            raise PermissionDenied
        restatement = get_object_or_404(Restatement, pk=pk)
        is_approved = request.POST.get("decision") == "approve"
        by: Any = request.user
        try:
            amendments.decide(
                restatement, is_approved=is_approved, by=by, now=timezone.now(), zone=settings.PAGE_TIME_ZONE
            )
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(
                request, _("Approved. The affected days will be accounted again.") if is_approved else _("Rejected.")
            )
        return HttpResponseRedirect(reverse("admin:monitoring_restatement_change", args=[pk]))

    def has_change_permission(self, request: HttpRequest, obj: Restatement | None = None) -> bool:
        return False  # a proposal is decided as it is

    def has_delete_permission(self, request: HttpRequest, obj: Restatement | None = None) -> bool:
        return False
