"""API tokens in the admin: one's own, shown once, revoked with a button."""

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts import tokens
from accounts.models import ApiToken
from accounts.tests.cast import Person

LIST = "/admin/accounts/apitoken/"
TEXT = re.compile(r"admin-secret\">(slm_\w+)<")


def make(person: Person, **values: object) -> str:
    wanted = {"name": "deploy script", "scope": "read", "days": 30, **values}
    answer = person.client.post(f"{LIST}add/", wanted)
    assert "no-store" in answer.headers["Cache-Control"], answer.content.decode()
    return TEXT.search(answer.content.decode())[1]


def test_a_token_is_shown_once_and_lets_its_maker_in(viewer: Person) -> None:
    text = make(viewer)

    token = tokens.find(text)
    assert (token.user, token.scope, (token.expires_at - token.created_at).days) == (viewer.user, "read", 30)
    assert Client().get("/api/v1/token", headers={"authorization": f"Bearer {text}"}).status_code == 200
    pages = [viewer.client.get(address).content.decode() for address in (LIST, f"{LIST}{token.pk}/change/")]
    assert all(f"deploy script (…{text[-4:]})" in page and text not in page for page in pages)


@pytest.mark.parametrize(
    ("role", "offered"),
    [("viewer", ["read"]), ("reporter", ["read", "write"]), ("admin", ["read", "write", "admin"])],
)
def test_only_scopes_that_make_a_difference_are_offered(cast: dict[str, Person], role: str, offered: Any) -> None:
    page = cast[role].client.get(f"{LIST}add/").content.decode()

    found = re.search(r'<select name="scope".*?</select>', page, re.DOTALL)[0]
    assert [value for value in re.findall(r'value="(\w+)"', found) if value] == offered


def test_a_scope_beyond_the_role_is_refused(viewer: Person) -> None:
    page = viewer.client.post(f"{LIST}add/", {"name": "x", "scope": "admin", "days": 30})

    assert page.status_code == 200
    assert "Select a valid choice" in page.content.decode()
    assert not ApiToken.objects.exists()


def test_everybody_sees_their_own_and_admins_all(cast: dict[str, Person]) -> None:
    for role in ("viewer", "reporter"):
        make(cast[role], name=f"of the {role}")

    pages = {role: cast[role].client.get(LIST).content.decode() for role in ("viewer", "reporter", "admin")}

    assert "of the viewer" in pages["viewer"] and "of the reporter" not in pages["viewer"]
    assert "of the viewer" not in pages["reporter"]
    assert "of the viewer" in pages["admin"] and "of the reporter" in pages["admin"]


def test_the_list_takes_the_same_queries_for_many_as_for_few(
    admin: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        make(admin, name=f"script {number}")

    with django_assert_max_num_queries(10):
        admin.client.get(LIST)


def test_revoking_ends_it_at_once(viewer: Person) -> None:
    text = make(viewer)

    page = viewer.client.post(f"{LIST}{tokens.find(text).pk}/revoke/", follow=True).content.decode()

    assert "was revoked. Requests with it are refused from now on" in page and "revoked on" in page
    assert tokens.find(text).revoked_by == viewer.user
    assert Client().get("/api/v1/token", headers={"authorization": f"Bearer {text}"}).status_code == 401


def test_nobody_revokes_anothers_but_admins(cast: dict[str, Person]) -> None:
    token = tokens.find(make(cast["viewer"]))

    assert cast["reporter"].client.post(f"{LIST}{token.pk}/revoke/").status_code == 404
    assert cast["admin"].client.post(f"{LIST}{token.pk}/revoke/").status_code == 302
    token.refresh_from_db()
    assert token.revoked_by == cast["admin"].user


def test_it_can_be_revoked_as_long_as_it_lets_somebody_in(viewer: Person) -> None:
    token = tokens.find(make(viewer))
    address = f"{LIST}{token.pk}/change/"
    assert f"{LIST}{token.pk}/revoke/" in viewer.client.get(address).content.decode()

    viewer.client.post(f"{LIST}{token.pk}/revoke/")

    assert f"{LIST}{token.pk}/revoke/" not in viewer.client.get(address).content.decode()


def test_screens_speak_korean(viewer: Person) -> None:
    page = viewer.client.get(f"{LIST}add/", headers={"accept-language": "ko"}).content.decode()

    assert "API 토큰" in page and "유효 기간" in page and "저장할 때 한 번만 표시됩니다" in page
