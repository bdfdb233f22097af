"""Permissions of roles and scopes; no other module knows what a role may do.

Permissions have Django's names (`incidents.change_incident`), so that its admin checks the same ones as our views.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    VIEWER = "viewer", _("Viewer")  # reads
    REPORTER = "reporter", _("Reporter")  # also creates and updates incidents
    ADMIN = "admin", _("Admin")  # has all permissions


class Scope(models.TextChoices):
    """The operations that a token permits, provided that its user's role permits them, too."""

    READ = "read", _("Read")  # reads
    WRITE = "write", _("Write")  # also daily work: incidents, pausing, checking now
    ADMIN = "admin", _("Admin")  # also configuration: services, policies, users


SEE_SERVICES = "monitoring.see_service"  # names and states, without settings
VIEW_SERVICES = "monitoring.view_service"  # with all settings except secrets
CHANGE_SERVICES = "monitoring.change_service"
PAUSE_SERVICES = "monitoring.pause_service"
PROBE_SERVICES = "monitoring.probe_service"  # check now, outside the schedule
VIEW_CHECKS = "monitoring.view_watchserverlog"
VIEW_DIAGNOSTICS = "slamonitor.view_diagnostics"  # shows sizes, names of workers and settings: only for admins
VIEW_TOKENS = "accounts.view_apitoken"  # a user's own tokens; all tokens for users who may change users
ADD_TOKENS = "accounts.add_apitoken"  # for the user who is signed in
CHANGE_USERS = "accounts.change_user"
VIEW_INCIDENTS = "incidents.view_incident"  # drafts and internal updates included
ADD_INCIDENTS = "incidents.add_incident"
CHANGE_INCIDENTS = "incidents.change_incident"
VIEW_MAINTENANCE = "incidents.view_maintenanceplan"
ADD_MAINTENANCE = "incidents.add_maintenanceplan"
CHANGE_MAINTENANCE = "incidents.change_maintenanceplan"  # which extends, ends, skips and cancels, too
CHOOSE_SERVICES = "monitoring.choose_service"  # by name, as affected by an incident; without settings

READING = frozenset(
    {
        ADD_TOKENS,
        VIEW_INCIDENTS,
        "incidents.view_finding",
        "incidents.view_followup",
        "incidents.view_incidentupdate",
        "incidents.view_postmortem",
        "incidents.view_updatetemplate",
        VIEW_MAINTENANCE,
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
    ADD_INCIDENTS,
    CHANGE_INCIDENTS,
    "incidents.add_followup",
    "incidents.change_followup",
    "incidents.delete_followup",
    "incidents.add_postmortem",
    "incidents.change_postmortem",
    "incidents.add_updatetemplate",
    "incidents.change_updatetemplate",
    "incidents.delete_updatetemplate",
    "incidents.change_finding",  # explain it
    ADD_MAINTENANCE,
    CHANGE_MAINTENANCE,
    "monitoring.add_restatement",  # which an admin approves
    "incidents.add_incidentupdate",  # and not to change or delete them: published updates stay
}
PERMISSIONS: dict[str, frozenset[str]] = {Role.VIEWER: READING, Role.REPORTER: REPORTING}  # admins have all permissions
LOOKING = ("view_", "see_", "choose_")  # prefixes of permissions that change nothing
DAILY = REPORTING | {PAUSE_SERVICES, PROBE_SERVICES}
SCOPES_OF: dict[str, tuple[Scope, ...]] = {  # the scopes that make a difference for a role
    Role.VIEWER: (Scope.READ,),
    Role.REPORTER: (Scope.READ, Scope.WRITE),
    Role.ADMIN: (Scope.READ, Scope.WRITE, Scope.ADMIN),
}


def may(role: str, permission: str) -> bool:
    """Return whether a role has this permission; an unknown role has none."""
    return role == Role.ADMIN or permission in PERMISSIONS.get(role, frozenset())


def scope_needed(permission: str) -> Scope:
    """Return the least scope that a token must have to use a permission of its user."""
    if permission.partition(".")[2].startswith(LOOKING):
        return Scope.READ
    return Scope.WRITE if permission in DAILY else Scope.ADMIN


def is_within(scope: str, permission: str) -> bool:
    """Return whether a scope covers a permission; an unknown scope covers none."""
    order = list(Scope.values)
    return scope in order and order.index(scope) >= order.index(scope_needed(permission))


def may_anything_in(role: str, app_label: str) -> bool:
    """Return whether a role has any permission in an app, and so its part of the menu."""
    if role == Role.ADMIN:
        return True
    return any(may(role, permission) for permission in REPORTING if permission.startswith(f"{app_label}."))
