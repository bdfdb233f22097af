"""Who may do what: the only place that knows what a role means.

Permissions carry Django's names (`incidents.change_incident`), so that its admin asks the same question as our views.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    VIEWER = "viewer", _("Viewer")  # reads
    REPORTER = "reporter", _("Reporter")  # also creates and updates incidents
    ADMIN = "admin", _("Admin")  # everything: users, service settings


VIEW_CHECKS = "monitoring.view_watchserverlog"
VIEW_UPKEEP = "slamonitor.view_upkeep"  # sizes, names of workers, settings: for admins alone
CHOOSE_SERVICES = "monitoring.choose_service"  # by name, as touched by an incident; not to see how it is checked

READING = frozenset(
    {
        "incidents.view_incident",
        "incidents.view_incidentupdate",
        "monitoring.view_accountingpolicy",
        "monitoring.view_apiresponsetime",
        "monitoring.view_maintenancewindow",
        "monitoring.view_restatement",
        VIEW_CHECKS,
    }
)
REPORTING = READING | {
    CHOOSE_SERVICES,
    "incidents.add_incident",
    "incidents.change_incident",
    "monitoring.add_restatement",  # which an admin approves
    "incidents.add_incidentupdate",  # and not to change or delete: what was said stays said
}
PERMISSIONS: dict[str, frozenset[str]] = {Role.VIEWER: READING, Role.REPORTER: REPORTING}  # an admin needs no list


def may(role: str, permission: str) -> bool:
    """Tell whether people of this role may do this; an unknown role may do nothing."""
    return role == Role.ADMIN or permission in PERMISSIONS.get(role, frozenset())


def may_anything_in(role: str, app_label: str) -> bool:
    """Tell whether people of this role may do anything at all in an app: its part of the menu is for them."""
    if role == Role.ADMIN:
        return True
    return any(may(role, permission) for permission in REPORTING if permission.startswith(f"{app_label}."))
