import pytest

from accounts.models import User
from accounts.permissions import Role, may, may_anything_in


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("incidents.view_incident", {"viewer", "reporter", "admin"}),
        ("incidents.add_incident", {"reporter", "admin"}),
        ("incidents.change_incident", {"reporter", "admin"}),
        ("incidents.delete_incidentupdate", {"admin"}),
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


def test_only_admins_find_something_in_accounts() -> None:
    assert [role.value for role in Role if may_anything_in(role, "accounts")] == ["admin"]
    assert all(may_anything_in(role, "incidents") for role in Role)


def test_a_deactivated_admin_may_nothing() -> None:
    user = User(role=Role.ADMIN, is_active=False)

    assert not user.is_staff
    assert not user.is_superuser
    assert not user.has_perm("incidents.view_incident")
    assert not user.has_module_perms("incidents")
