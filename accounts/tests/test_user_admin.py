"""Users in the admin: one-time passwords that are shown once, roles, and the last admin."""

import re
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from accounts.tests.cast import Person, make_person

LIST = "/admin/accounts/user/"
SECRET = re.compile(r'admin-secret">([a-z0-9-]+)<')


@pytest.fixture(autouse=True)
def quick_hasher(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def values(user: User, **changes: str) -> dict[str, str]:
    return {"username": user.username, "email": user.email, "role": user.role, "is_active": "on", **changes}


def test_a_new_user_gets_a_one_time_password_that_is_shown_once(admin: Person) -> None:
    answer = admin.client.post(f"{LIST}add/", {"username": "mina", "email": "mina@example.com", "role": "reporter"})

    password = SECRET.search(answer.content.decode())[1]
    user = User.objects.get(username="mina")
    assert user.check_password(password)
    assert user.must_change_password
    assert user.role == "reporter"
    assert "no-store" in answer.headers["Cache-Control"]
    assert password not in admin.client.get(f"{LIST}{user.pk}/change/").content.decode()


def test_a_name_that_is_taken_is_refused(admin: Person, viewer: Person) -> None:
    answer = admin.client.post(f"{LIST}add/", {"username": "viewer", "email": "other@example.com", "role": "viewer"})

    assert "already exists" in answer.content.decode()


def test_a_forgotten_password_is_replaced_and_ends_sessions(admin: Person, viewer: Person) -> None:
    answer = admin.client.post(f"{LIST}{viewer.user.pk}/one-time-password/")

    viewer.user.refresh_from_db()
    assert viewer.user.check_password(SECRET.search(answer.content.decode())[1])
    assert viewer.user.must_change_password
    assert viewer.client.get("/admin/").status_code == 302


def test_only_admins_give_passwords(reporter: Person, viewer: Person) -> None:
    for person in (reporter, viewer):
        assert person.client.post(f"{LIST}{viewer.user.pk}/one-time-password/").status_code == 403
    viewer.user.refresh_from_db()
    assert not viewer.user.must_change_password


def test_roles_are_changed(admin: Person, viewer: Person) -> None:
    admin.client.post(f"{LIST}{viewer.user.pk}/change/", values(viewer.user, role="reporter"))

    viewer.user.refresh_from_db()
    assert viewer.user.role == "reporter"


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"is_active": ""}])
def test_the_last_admin_stays_one(admin: Person, change: Any) -> None:
    make_person("admin", username="retired", is_active=False)
    changed = {name: value for name, value in values(admin.user, **change).items() if value}

    page = admin.client.post(f"{LIST}{admin.user.pk}/change/", changed)

    assert "admin is the only active admin. Make somebody else an admin first." in page.content.decode()
    admin.user.refresh_from_db()
    assert (admin.user.role, admin.user.is_active) == ("admin", True)


def test_one_of_two_admins_may_step_down(admin: Person) -> None:
    make_person("admin", username="deputy")

    admin.client.post(f"{LIST}{admin.user.pk}/change/", values(admin.user, role="viewer"))

    admin.user.refresh_from_db()
    assert admin.user.role == "viewer"


def test_deactivated_users_cannot_act_any_more(admin: Person, reporter: Person) -> None:
    changed = values(reporter.user)
    del changed["is_active"]
    admin.client.post(f"{LIST}{reporter.user.pk}/change/", changed)

    assert reporter.client.get("/admin/incidents/incident/add/").status_code == 302
