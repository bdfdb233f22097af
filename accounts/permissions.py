"""Who may do what: the only place that knows what a role means.

Permissions carry Django's names (`incidents.change_incident`), so that its admin asks the same question as our views.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    VIEWER = "viewer", _("Viewer")  # reads
    REPORTER = "reporter", _("Reporter")  # also creates and updates incidents
    ADMIN = "admin", _("Admin")  # everything: users, service settings


class Scope(models.TextChoices):
    """What a token may be used for, as far as its user's role goes."""

    READ = "read", _("Read")  # looks
    WRITE = "write", _("Write")  # also the day's work: incidents, pausing, checking now
    ADMIN = "admin", _("Admin")  # also what lasts: services, policies, users


SEE_SERVICES = "monitoring.see_service"  # which there are and how they do; not how they are checked
VIEW_SERVICES = "monitoring.view_service"  # with all settings but secrets
CHANGE_SERVICES = "monitoring.change_service"
PAUSE_SERVICES = "monitoring.pause_service"
PROBE_SERVICES = "monitoring.probe_service"  # out of turn, while somebody waits
VIEW_CHECKS = "monitoring.view_watchserverlog"
VIEW_UPKEEP = "slamonitor.view_upkeep"  # sizes, names of workers, settings: for admins alone
VIEW_TOKENS = "accounts.view_apitoken"  # one's own; all of them for those who may change users
ADD_TOKENS = "accounts.add_apitoken"  # for oneself
CHANGE_USERS = "accounts.change_user"
CHOOSE_SERVICES = "monitoring.choose_service"  # by name, as touched by an incident; not to see how it is checked

READING = frozenset(
    {
        ADD_TOKENS,
        "incidents.view_incident",
        "incidents.view_incidentupdate",
        "monitoring.view_accountingpolicy",
        "monitoring.view_apiresponsetime",
        "monitoring.view_maintenancewindow",
        "monitoring.view_restatement",
        SEE_SERVICES,
        VIEW_CHECKS,
        VIEW_TOKENS,
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
LOOKING = ("view_", "see_", "choose_")  # how the names of permissions begin that change nothing
DAILY = REPORTING | {PAUSE_SERVICES, PROBE_SERVICES}
SCOPES_OF: dict[str, tuple[Scope, ...]] = {  # that make a difference for a role
    Role.VIEWER: (Scope.READ,),
    Role.REPORTER: (Scope.READ, Scope.WRITE),
    Role.ADMIN: (Scope.READ, Scope.WRITE, Scope.ADMIN),
}


def may(role: str, permission: str) -> bool:
    """Tell whether people of this role may do this; an unknown role may do nothing."""
    return role == Role.ADMIN or permission in PERMISSIONS.get(role, frozenset())


def scope_needed(permission: str) -> Scope:
    """Return the least scope that a token must have to use a permission of its user."""
    if permission.partition(".")[2].startswith(LOOKING):
        return Scope.READ
    return Scope.WRITE if permission in DAILY else Scope.ADMIN


def is_within(scope: str, permission: str) -> bool:
    """Tell whether a scope covers a permission; an unknown scope covers nothing."""
    order = list(Scope.values)
    return scope in order and order.index(scope) >= order.index(scope_needed(permission))


def may_anything_in(role: str, app_label: str) -> bool:
    """Tell whether people of this role may do anything at all in an app: its part of the menu is for them."""
    if role == Role.ADMIN:
        return True
    return any(may(role, permission) for permission in REPORTING if permission.startswith(f"{app_label}."))
