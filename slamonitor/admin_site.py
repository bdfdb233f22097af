"""The admin site: Django's admin with our theme, and with a menu that depends on the role of the user."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.forms import OwnPasswordForm
from accounts.permissions import SEE_SERVICES, VIEW_CHECKS, VIEW_DIAGNOSTICS, VIEW_TOKENS
from incidents import figures_page, post_mortem_page
from incidents.reconciliation import admin_page as reconciliation_page
from monitoring.admin_site import check_views
from slamonitor import dashboard, palette, service_page
from slamonitor.doctor import page as diagnostics_page

# As strict as the policy of the public page, with three exceptions for the theme: Alpine compiles expressions in
# templates ('unsafe-eval'), its scripts write `style` attributes, and htmx adds a small style sheet (the hash). Inline
# scripts, all other inline style sheets and other origins stay forbidden.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'"
    " 'sha256-bsV5JivYxvGywDAZ22EZJKBFip65Ng9xoJVLbBg7bdo='; style-src-attr 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


class AdminSite(UnfoldAdminSite):
    index_title = _("Overview")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().each_context(request)
        # The theme would write its colours into the page; ours are in a style sheet, which the policy allows.
        return {**context, "colors": None}

    def extra_urls(self) -> list[URLPattern]:
        return [
            *dashboard.urls(),
            *check_views.urls(),
            *service_page.urls(),
            *palette.urls(),
            *diagnostics_page.urls(),
            *reconciliation_page.urls(),
            *post_mortem_page.urls(),
            *figures_page.urls(),
        ]

    def register(self, model_or_iterable: Any, *args: Any, **kwargs: Any) -> None:
        """Register models except Django's groups: permissions depend on the role alone."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        super().register([model for model in models if model is not Group], *args, **kwargs)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Let users change their password. After a one-time password, the page has no menu until they have."""
        is_forced = getattr(request.user, "must_change_password", False)
        context = {**self.each_context(request), "is_forced": is_forced, **(extra_context or {})}
        if is_forced:
            context["is_nav_sidebar_enabled"] = False
        view = _PasswordChange.as_view(extra_context=context, success_url=reverse("admin:index"))
        return view(request)


class _PasswordChange(PasswordChangeView):
    form_class = OwnPasswordForm
    template_name = "registration/password_change_form.html"

    def form_valid(self, form: Any) -> HttpResponse:
        # Django keeps this session and ends all others, whose hash no longer matches.
        response = super().form_valid(form)
        messages.success(self.request, gettext("Your password was changed. You have been signed out on other devices."))
        return HttpResponseRedirect(response["Location"])


def policy_and_time_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Set the content security policy and the time zone of the admin's pages.

    Runs before the middleware that sets the public policy where none is set.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return get_response(request)
        with timezone.override(settings.PAGE_TIME_ZONE):
            response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu, with the entries that the user has permission for."""
    entries = [
        (None, _("Overview"), "monitoring", "admin:index"),
        ("incidents.view_incident", _("Incidents"), "report", "admin:incidents_incident_changelist"),
        ("incidents.view_finding", _("Reconciliation"), "difference", "admin:reconciliation"),
        ("incidents.view_incident", _("Response times"), "timer", "admin:response_times"),
        (SEE_SERVICES, _("Services"), "dns", "admin:monitoring_service_changelist"),
        (VIEW_CHECKS, _("Checks"), "checklist", "admin:checks"),
        (
            "incidents.view_maintenanceplan",
            _("Maintenance"),
            "engineering",
            "admin:incidents_maintenanceplan_changelist",
        ),
        (
            "incidents.view_updatetemplate",
            _("Update templates"),
            "article",
            "admin:incidents_updatetemplate_changelist",
        ),
        (
            "monitoring.view_maintenancewindow",
            _("Windows as accounted"),
            "history",
            "admin:monitoring_maintenancewindow_changelist",
        ),
        ("monitoring.view_restatement", _("Restatements"), "edit_note", "admin:monitoring_restatement_changelist"),
        ("monitoring.view_accountingpolicy", _("Policies"), "rule", "admin:monitoring_accountingpolicy_changelist"),
        ("accounts.view_user", _("Users"), "group", "admin:accounts_user_changelist"),
        (VIEW_TOKENS, _("API tokens"), "key", "admin:accounts_apitoken_changelist"),
        (VIEW_DIAGNOSTICS, _("Diagnostics"), "build", "admin:diagnostics"),
    ]
    items = [
        {"title": title, "icon": icon, "link": reverse_lazy(url)}
        for permission, title, icon, url in entries
        if permission is None or request.user.has_perm(permission)
    ]
    if request.resolver_match is not None and request.resolver_match.url_name == "service":
        for item in items:
            item["active"] = item["link"] == reverse_lazy("admin:monitoring_service_changelist")
    return [{"items": items}]
