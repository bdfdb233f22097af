"""The palette of the admin: Ctrl-K opens a box that finds pages, actions, services and incidents."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.permissions import ADD_TOKENS, SEE_SERVICES, VIEW_INCIDENTS
from incidents.models import Incident
from monitoring.models import Service

MOST_SERVICES = 8
MOST_INCIDENTS = 5
LONGEST_TERM = 100
ACTIONS = (  # a permission (None: everybody has it), the label, an icon, and a URL name
    ("incidents.add_incident", gettext_lazy("Report an incident"), "add_alert", "admin:incidents_incident_add"),
    ("monitoring.add_service", gettext_lazy("Add a service"), "add", "admin:monitoring_service_add"),
    (
        "monitoring.add_maintenancewindow",
        gettext_lazy("Announce maintenance"),
        "engineering",
        "admin:monitoring_maintenancewindow_add",
    ),
    (
        "monitoring.add_restatement",
        gettext_lazy("Propose a restatement"),
        "edit_note",
        "admin:monitoring_restatement_add",
    ),
    (ADD_TOKENS, gettext_lazy("Create an API token"), "key", "admin:accounts_apitoken_add"),
    ("accounts.add_user", gettext_lazy("Add a user"), "person_add", "admin:accounts_user_add"),
    (None, gettext_lazy("Change password"), "password", "admin:password_change"),
    (None, gettext_lazy("Open the status page"), "public", "statuspage:page"),
    (None, gettext_lazy("Open the API documentation"), "api", "api-docs"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    title: str
    icon: str  # a name in the font of symbols
    url: str
    id: str = ""  # of a service, or the day of an incident


def urls() -> list[URLPattern]:
    """Return the URL patterns, which the admin site puts below its own."""
    return [path("palette/", admin.site.admin_view(show), name="palette")]


@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Show what matches `term`: pages and actions that the user may open, services and incidents."""
    term = request.GET.get("term", "")[:LONGEST_TERM].replace("\0", "").strip()
    found = (
        (_("Services"), _services(request, term)),
        (_("Incidents"), _incidents(request, term)),
        (pgettext("of the admin", "Pages"), _pages(request)),
        (pgettext("in a palette", "Actions"), _actions(request)),
    )
    groups = [(name, kept) for name, entries in found if (kept := _matching(entries, term))]
    count = sum(len(entries) for name, entries in groups)
    says = _("Results: %(count)d") % {"count": count} if count else _("Nothing found.")
    return TemplateResponse(request, "admin/palette.html", {"groups": groups, "says": says})


def _pages(request: HttpRequest) -> list[Entry]:
    groups = admin.site.get_sidebar_list(request)  # type: ignore[attr-defined]  # of the theme
    items = [item for group in groups for item in group["items"]]
    return [Entry(title=str(item["title"]), icon=item["icon"], url=str(item["link"])) for item in items]


def _actions(request: HttpRequest) -> list[Entry]:
    return [
        Entry(title=str(title), icon=icon, url=reverse(name))
        for permission, title, icon, name in ACTIONS
        if permission is None or request.user.has_perm(permission)
    ]


def _services(request: HttpRequest, term: str) -> list[Entry]:
    """Return services whose name or id has the term; none without a term, as pages and actions come first then."""
    if not term or not request.user.has_perm(SEE_SERVICES):
        return []
    wanted = Q(id__icontains=term) | Q(name__icontains=term) | Q(display_name__icontains=term)
    services = Service.objects.present().filter(wanted).order_by("display_name", "id")[:MOST_SERVICES]
    return [
        Entry(title=str(each), icon="dns", url=reverse("admin:service", args=[each.pk]), id=each.pk)
        for each in services
    ]


def _incidents(request: HttpRequest, term: str) -> list[Entry]:
    """Return the newest incidents whose title has the term, without dismissed drafts; none without a term."""
    if not term or not request.user.has_perm(VIEW_INCIDENTS):
        return []
    found = Incident.objects.filter(title__icontains=term, dismissed_at=None).order_by("-started_at", "-pk")
    return [
        Entry(
            title=each.title,
            icon="report",
            url=reverse("admin:incidents_incident_change", args=[each.pk]),
            id=f"{timezone.localtime(each.started_at):%Y-%m-%d}",
        )
        for each in found[:MOST_INCIDENTS]
    ]


def _matching(entries: Iterable[Entry], term: str) -> list[Entry]:
    """Keep entries whose title has the term in any case; those with an id have been found by the database."""
    return [each for each in entries if each.id or term.casefold() in each.title.casefold()]
