"""Admin pages of services; raw checks have pages of their own (`monitoring/admin_site/check_views.py`)."""

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied
from django.db.models import F, Func, IntegerField, QuerySet, TextField, Value
from django.forms.widgets import Script
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.permissions import CHOOSE_SERVICES, SEE_SERVICES, VIEW_SERVICES
from monitoring.accounting import stored_days
from monitoring.admin_site import attempts, bulk_edit, service_actions, signs, unsaved
from monitoring.admin_site.accounting_admin import AccountingPolicyAdmin, MaintenanceWindowAdmin, RestatementAdmin
from monitoring.admin_site.service_filters import GroupFilter, RegionFilter, ShownFilter, StatusFilter, TagFilter
from monitoring.admin_site.service_form import FIELDSETS, FOR_SCRIPT, ServiceForm, clone_of, fieldsets
from monitoring.admin_site.sparklines import FOOT, HEIGHT, STEP, WIDTH, sparklines
from monitoring.catalogue import lifecycle
from monitoring.catalogue.plain_secrets import warnings_of
from monitoring.config.clock import AHEAD
from monitoring.engine.refused_targets import reasons_of
from monitoring.models import AccountingPolicy, MaintenanceWindow, Restatement, Service
from monitoring.rules.calendar_days import day_of
from monitoring.rules.sla import percentage
from monitoring.states.live import with_live_status

UPTIME_DAYS = 30  # over which the list shows the uptime, today included
UPTIME = "uptime_rank"  # the name of the order by it


class ServiceList(ChangeList):
    """A page of the list, which reads the data of all rows at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        services: list[Any] = list(self.result_list)  # type: ignore[has-type]  # the theme's classes are not typed
        ids = [service.pk for service in services]
        since, today = _uptime_days(now)
        lines, figures = sparklines(ids, now), stored_days.figures(ids, since, today, settings.PAGE_TIME_ZONE)
        for service in services:
            service.sparkline, service.read_at = lines[service.pk], now
            service.figures, service.figured_days = figures.get(service.pk), (since, today)
        self.result_list = services

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Service]) -> list[Any]:
        return [self._by_uptime(each, queryset) for each in super().get_ordering(request, queryset)]

    def _by_uptime(self, order: Any, queryset: QuerySet[Service]) -> Any:
        """Return the order by uptime, which the figures of all services give, for its name. Two queries."""
        if order not in (UPTIME, f"-{UPTIME}"):
            return order
        figures = stored_days.figures(
            list(queryset.values_list("id", flat=True)), *_uptime_days(timezone.now()), settings.PAGE_TIME_ZONE
        )
        known = {id: found.uptime for id, found in figures.items() if found.uptime is not None}
        ranked = Value(sorted(known, key=lambda id: known[id]), output_field=ArrayField(TextField()))
        rank = Func(ranked, F("id"), function="array_position", output_field=IntegerField())
        return rank.desc(nulls_last=True) if order.startswith("-") else rank.asc(nulls_last=True)

    def url_for_result(self, result: Service) -> str:
        return reverse("admin:service", args=[result.pk])


@admin.register(Service)
class ServiceAdmin(ModelAdmin):
    form = ServiceForm
    fieldsets = FIELDSETS
    autocomplete_fields = ("parent",)
    list_display = ("state_now", "full_name", "last_24_hours", "uptime", "last_check", "response_time", "interval")
    list_display_links = ("full_name",)
    list_filter = (ShownFilter, StatusFilter, "is_critical", "kind", GroupFilter, TagFilter, RegionFilter)
    list_select_related = ("state",)
    list_per_page = 50
    list_max_show_all = 50
    list_fullwidth = True
    search_fields = ("id", "name", "display_name", "endpoint_url")
    search_help_text = gettext_lazy("Name, id or address")
    show_full_result_count = False
    about_empty = gettext_lazy(
        "A service is what is checked: a website, an API, a port, a name, a certificate or a job."
    )
    ordering = ("name",)
    actions = ("edit_services", "pause_services", "resume_services", "archive_services", "restore_services")
    change_form_template = "admin/monitoring/service/change_form.html"
    warn_unsaved_form = True
    view_on_site = False  # the list links to the ledger, with the days of the figure

    class Media:
        js = (
            Script("monitoring/service-form.js", type="module"),
            Script("monitoring/header-rows.js", type="module"),
        )

    # --- The list -----------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ServiceList]:
        return ServiceList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        return with_live_status(super().get_queryset(request), timezone.now())

    @admin.display(description=gettext_lazy("State"), ordering="live_status")
    def state_now(self, service: Service) -> SafeString:
        return signs.service_sign(service, _read_at(service))

    @admin.display(description=gettext_lazy("Name"), ordering="name")
    def full_name(self, service: Service) -> SafeString:
        mark = format_html(' <span class="admin-tag">{}</span>', _("critical")) if service.is_critical else ""
        return format_html("{}{}<br><span class='admin-muted admin-mono'>{}</span>", str(service), mark, service.pk)

    @admin.display(description=gettext_lazy("Last 24 hours"))
    def last_24_hours(self, service: Service) -> SafeString:
        shape = {"width": WIDTH, "height": HEIGHT, "step": STEP, "base": HEIGHT - FOOT}
        return render_to_string("admin/monitoring/service/_sparkline.html", {"spark": service.sparkline, **shape})  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("30 days"), ordering=UPTIME)
    def uptime(self, service: Any) -> SafeString | str:
        if service.figures is None or (shown := percentage(service.figures.uptime)) is None:
            return "–"
        since, until = service.figured_days
        days = urlencode({"from": since, "to": until})
        address = f"{service.get_absolute_url()}?{days}"
        return format_html('<a href="{}" class="admin-number">{} %</a>', address, shown)

    @admin.display(description=gettext_lazy("Last check"), ordering="state__run_last_at")
    def last_check(self, service: Service) -> SafeString | str:
        state = getattr(service, "state", None)
        if state is None or state.run_last_at is None:
            return "–"
        return format_html(
            '<time datetime="{}" title="{}" class="admin-number">{}</time>',
            state.run_last_at.isoformat(timespec="seconds"),
            f"{timezone.localtime(state.run_last_at):%Y-%m-%d %H:%M:%S %Z}",
            age(state.run_last_at, _read_at(service)),
        )

    @admin.display(description=gettext_lazy("Response"), ordering="state__last_response_ms")
    def response_time(self, service: Service) -> SafeString | str:
        state = getattr(service, "state", None)
        if state is None or state.last_response_ms is None:
            return "–"
        return format_html('<span class="admin-number">{} ms</span>', f"{state.last_response_ms:,.0f}")

    @admin.display(description=gettext_lazy("Every"), ordering="check_interval")
    def interval(self, service: Service) -> SafeString:
        return format_html('<span class="admin-number">{} s</span>', f"{service.check_interval / 1000:g}")

    # --- The form -----------------------------------------------------------------------------------------------------

    def get_readonly_fields(self, request: HttpRequest, obj: Service | None = None) -> tuple[str, ...]:
        return ("id",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Service | None = None) -> Any:
        return fieldsets(obj or self._cloned(request))

    def get_form(self, request: HttpRequest, obj: Service | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Pass only columns to Django: the form itself adds the settings, which are not fields of the model."""
        columns = {field.name for field in Service._meta.get_fields()}
        fields = [name for name in flatten_fieldsets(FIELDSETS) if name in columns]
        return super().get_form(request, obj, change, **{**kwargs, "fields": fields})

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in ("id", "endpoint_url", "regions", "tags"):
            kwargs["widget"] = UnfoldAdminTextInputWidget()
        if db_field.name == "description":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 2})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Service | None:
        if request.method == "POST":
            # Wait for other changes, so that the form is validated against the final rows.
            lifecycle.lock_catalogue()
        found: Service | None = super().get_object(request, object_id, from_field)
        return found

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the searched columns. A search must not reveal an address that the user may not see."""
        is_allowed = request.user.has_perm(VIEW_SERVICES)
        return tuple(name for name in self.search_fields if is_allowed or name != "endpoint_url")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Service], search_term: str
    ) -> tuple[QuerySet[Service], bool]:
        if _is_at(request, "autocomplete"):
            queryset = queryset.filter(archived_at=None)
        found: tuple[QuerySet[Service], bool] = super().get_search_results(request, queryset, search_term)
        return found

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        lifecycle.save(obj, form.changed_data if change else None)
        for warning in warnings_of(obj):
            messages.warning(request, warning)

    def has_view_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        if _is_at(request, "autocomplete"):  # ids and names
            return request.user.has_perm(CHOOSE_SERVICES)
        if _is_at(request, "monitoring_service_changelist"):  # states and figures; the form has the settings
            return request.user.has_perm(SEE_SERVICES)
        return bool(super().has_view_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        return False  # services are archived instead

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return initial values, those of another service for `?clone=…`, whose settings its reader may see."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        given.pop("clone", None)
        original = self._cloned(request)
        return {**clone_of(original), **given} if original else given

    def _cloned(self, request: HttpRequest) -> Service | None:
        if "clone" not in request.GET or not request.user.has_perm(VIEW_SERVICES):
            return None
        return Service.objects.filter(pk=request.GET["clone"]).first()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        of_one = [context["object_id"]] if context.get("object_id") else []
        context["try_url"] = reverse("admin:try_service" if of_one else "admin:try_new", args=of_one)
        context["problems_url"] = reverse(
            "admin:problems_of_service" if of_one else "admin:problems_of_new", args=of_one
        )
        context["for_script"] = FOR_SCRIPT
        return super().render_change_form(request, context, *args, **kwargs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        service = Service.objects.select_related("state").filter(pk=object_id).first()
        context: dict[str, Any] = {"service": service}
        if service is not None:
            context["sign"] = signs.service_sign(service, timezone.now())
            context |= reasons_of(service.pk, timezone.now())
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    # --- What can be done ---------------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions that apply: an archived service can only be restored."""
        found: dict[str, Any] = super().get_actions(request)
        is_archived = request.GET.get("shown") == "archived"
        return {name: action for name, action in found.items() if (name == "restore_services") == is_archived}

    @admin.action(description=gettext_lazy("Edit…"), permissions=["change"])
    def edit_services(self, request: HttpRequest, chosen: QuerySet[Service]) -> HttpResponse | None:
        return bulk_edit.ask_or_edit(request, chosen, self.admin_site.each_context(request))

    @admin.action(description=gettext_lazy("Pause…"), permissions=["change"])
    def pause_services(self, request: HttpRequest, chosen: QuerySet[Service]) -> HttpResponse | None:
        return self._decide(request, chosen, service_actions.PAUSE, service_actions.pause)

    @admin.action(description=gettext_lazy("Resume…"), permissions=["change"])
    def resume_services(self, request: HttpRequest, chosen: QuerySet[Service]) -> HttpResponse | None:
        return self._decide(request, chosen, service_actions.RESUME, service_actions.resume)

    @admin.action(description=gettext_lazy("Archive…"), permissions=["change"])
    def archive_services(self, request: HttpRequest, chosen: QuerySet[Service]) -> HttpResponse | None:
        return self._decide(request, chosen, service_actions.ARCHIVE, service_actions.archive)

    @admin.action(description=gettext_lazy("Restore…"), permissions=["change"])
    def restore_services(self, request: HttpRequest, chosen: QuerySet[Service]) -> HttpResponse | None:
        return self._decide(request, chosen, service_actions.RESTORE, service_actions.restore)

    def _decide(self, request: HttpRequest, chosen: QuerySet[Service], question: Any, act: Any) -> HttpResponse | None:
        context = self.admin_site.each_context(request)
        return service_actions.ask_or_do(request, chosen, context, question, act)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<slug:service_id>/check-now/", view(self.check_now_view), name="check_now"),
            path("try/", view(self.try_view), {"service_id": None}, name="try_new"),
            path("<slug:service_id>/try/", view(self.try_view), name="try_service"),
            path("problems/", view(self.problems_view), {"service_id": None}, name="problems_of_new"),
            path("<slug:service_id>/problems/", view(self.problems_view), name="problems_of_service"),
            *super().get_urls(),
        ]

    @method_decorator(require_POST)
    def try_view(self, request: HttpRequest, service_id: str | None) -> HttpResponse:
        return unsaved.try_now(self, request, service_id)

    @method_decorator(require_POST)
    def problems_view(self, request: HttpRequest, service_id: str | None) -> HttpResponse:
        return unsaved.problems(self, request, service_id)

    @method_decorator(require_POST)
    def check_now_view(self, request: HttpRequest, service_id: str) -> HttpResponse:
        """Check a service while the user waits, and show every phase of every request. Stores nothing."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        service = Service.objects.present().filter(pk=service_id).first()
        if service is None:
            raise Http404(service_id)
        context = {**self.admin_site.each_context(request), "service": service}
        context |= {"title": _("Check now"), "back": reverse("admin:service", args=[service.pk])}
        context |= attempts.tried(service)
        return TemplateResponse(request, "admin/monitoring/service/check_now.html", context)


def age(at: datetime, now: datetime) -> str:
    """Return how long ago an instant was, in the largest unit; under a minute in seconds."""
    if at > now + AHEAD:
        return _("in the future")
    seconds = max(0, int((now - at).total_seconds()))
    if seconds < 60:
        return _("%(seconds)d s ago") % {"seconds": seconds}
    return _("%(duration)s ago") % {"duration": timesince(at, now, depth=1)}


def _uptime_days(now: datetime) -> tuple[date, date]:
    today = day_of(now, settings.PAGE_TIME_ZONE)
    return today - timedelta(days=UPTIME_DAYS - 1), today


def _is_at(request: HttpRequest, name: str) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name == name


def _read_at(service: Service) -> datetime:
    return getattr(service, "read_at", None) or timezone.now()


admin.site.register(AccountingPolicy, AccountingPolicyAdmin)
admin.site.register(MaintenanceWindow, MaintenanceWindowAdmin)
admin.site.register(Restatement, RestatementAdmin)
