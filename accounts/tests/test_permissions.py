import pytest

from accounts.models import User
from accounts.permissions import Role, Scope, is_within, may, may_anything_in


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("incidents.view_incident", {"viewer", "reporter", "admin"}),
        ("incidents.add_incident", {"reporter", "admin"}),
        ("incidents.change_incident", {"reporter", "admin"}),
        ("incidents.delete_incidentupdate", {"admin"}),
        ("incidents.view_maintenanceplan", {"viewer", "reporter", "admin"}),
        ("incidents.change_maintenanceplan", {"reporter", "admin"}),
        ("monitoring.change_maintenancewindow", {"admin"}),
        ("monitoring.view_watchserverlog", {"viewer", "reporter", "admin"}),
        ("monitoring.change_service", {"admin"}),
        ("accounts.change_user", {"admin"}),
    ],
)
def test_each_role_may_do_its_part(permission: str, roles: set[str]) -> None:
    assert {role.value for role in Role if may(role, permission)} == roles


def test_an_unknown_role_may_nothing() -> None:
    assert not may("intern", "incidents.view_incident")
    assert not may_anything_in("intern", "incidents")


def test_everybody_finds_something_in_accounts_but_only_admins_the_users() -> None:
    assert all(may_anything_in(role, app) for role in Role for app in ("accounts", "incidents"))
    assert [role.value for role in Role if may(role, "accounts.view_user")] == ["admin"]


@pytest.mark.parametrize(
    ("permission", "scopes"),
    [
        ("monitoring.see_service", {"read", "write", "admin"}),
        ("monitoring.view_watchserverlog", {"read", "write", "admin"}),
        ("incidents.add_incident", {"write", "admin"}),
        ("monitoring.pause_service", {"write", "admin"}),
        ("monitoring.probe_service", {"write", "admin"}),
        ("monitoring.change_service", {"admin"}),
        ("accounts.change_user", {"admin"}),
    ],
)
def test_each_scope_covers_its_part(permission: str, scopes: set[str]) -> None:
    assert {scope.value for scope in Scope if is_within(scope, permission)} == scopes


def test_an_unknown_scope_covers_nothing() -> None:
    assert not is_within("everything", "monitoring.see_service")


def test_a_deactivated_admin_may_nothing() -> None:
    user = User(role=Role.ADMIN, is_active=False)

    assert not user.is_staff
    assert not user.is_superuser
    assert not user.has_perm("incidents.view_incident")
    assert not user.has_module_perms("incidents")
