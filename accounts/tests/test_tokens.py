"""API tokens: created once, found by a hash, expired at their time, and noted when used."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import tokens
from accounts.models import ApiToken
from accounts.tests.cast import Person

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def call(client: Client) -> Callable[..., Any]:
    """Request the caller's identity with a token, at a given time."""

    def ask(text: str, at: datetime = NOW) -> Any:
        with time_machine.travel(at, tick=False):
            return client.get("/api/v1/token", headers={"authorization": f"Bearer {text}"})

    return ask


def make(person: Person, scope: str = "read", days: int = 30) -> str:
    return tokens.make(person.user, "deploy script", scope, days=days, now=NOW)[1]


def code_of(response: Any) -> str:
    return str(response.json()["error"]["code"])


def test_a_token_says_whose_it_is_and_is_not_kept(viewer: Person, call: Any) -> None:
    text = make(viewer)

    found = call(text).json()

    assert {name: found[name] for name in ("name", "user", "role", "scope", "hint")} == {
        "name": "deploy script", "user": "viewer", "role": "viewer", "scope": "read", "hint": text[-4:],
    }  # fmt: skip
    assert found["expires_at"] == "2026-04-08T12:00:00Z"
    stored = ApiToken.objects.values().get()
    assert text not in str(stored)
    assert bytes(stored["token_hash"]) == tokens.digest(text)


def test_two_tokens_are_never_alike(viewer: Person) -> None:
    assert make(viewer) != make(viewer)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "NOT_AUTHENTICATED"),
        ("", "NOT_AUTHENTICATED"),
        ("Basic dmlld2VyOnNlY3JldA==", "NOT_AUTHENTICATED"),
        ("Bearer", "NOT_AUTHENTICATED"),
        ("Bearer slm_guessed", "TOKEN_UNKNOWN"),
        ("Bearer \u00e9\u0000", "TOKEN_UNKNOWN"),
    ],
)
def test_without_a_token_of_ours_nobody_is_let_in(client: Client, header: str | None, code: str) -> None:
    response = client.get("/api/v1/token", headers={"authorization": header} if header is not None else {})

    assert (response.status_code, code_of(response)) == (401, code)
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="api"')


def test_a_session_is_no_token(admin: Person) -> None:
    assert admin.client.get("/api/v1/token").status_code == 401


def test_a_token_is_over_at_its_time(viewer: Person, call: Any) -> None:
    text = make(viewer, days=30)

    assert call(text, NOW + timedelta(days=30) - timedelta(seconds=1)).status_code == 200
    late = call(text, NOW + timedelta(days=30))

    assert (late.status_code, code_of(late)) == (401, "TOKEN_EXPIRED")
    assert "2026-04-08" in late.json()["error"]["message"]
    assert 'error="invalid_token"' in late.headers["WWW-Authenticate"]


def test_a_revoked_token_is_refused_from_the_next_request_on(viewer: Person, admin: Person, call: Any) -> None:
    text = make(viewer)
    assert call(text).status_code == 200

    assert tokens.revoke(ApiToken.objects.get().pk, who=admin.user, now=NOW)

    assert code_of(call(text)) == "TOKEN_REVOKED"
    assert not tokens.revoke(ApiToken.objects.get().pk, who=viewer.user, now=NOW), "the first to revoke stays it"
    assert ApiToken.objects.get().revoked_by == admin.user


def test_a_deactivated_user_has_no_tokens(viewer: Person, call: Any) -> None:
    text = make(viewer)
    viewer.user.is_active = False
    viewer.user.save()

    assert code_of(call(text)) == "USER_INACTIVE"


def test_last_use_is_written_at_most_once_a_minute(
    viewer: Person, call: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    text = make(viewer)
    with django_assert_num_queries(2):
        call(text, NOW)
    for second in (1, 59):
        with django_assert_num_queries(1):
            call(text, NOW + timedelta(seconds=second))
    assert ApiToken.objects.get().last_used_at == NOW

    call(text, NOW + timedelta(seconds=60))

    assert ApiToken.objects.get().last_used_at == NOW + timedelta(seconds=60)


def test_of_two_requests_at_once_one_writes_the_last_use(viewer: Person) -> None:
    make(viewer)
    token, same = ApiToken.objects.get(), ApiToken.objects.get()

    tokens.note_use(token, NOW)
    tokens.note_use(same, NOW + timedelta(seconds=1))

    assert ApiToken.objects.get().last_used_at == NOW


@pytest.mark.parametrize(("role", "scope"), [("viewer", "write"), ("viewer", "admin"), ("reporter", "admin")])
def test_a_scope_beyond_the_role_is_refused_when_the_token_is_made(
    cast: dict[str, Person], role: str, scope: str
) -> None:
    with pytest.raises(ValidationError, match="only these scopes are useful"):
        make(cast[role], scope)


def test_a_token_shrinks_with_the_role_of_its_user(admin: Person, client: Client) -> None:
    text = make(admin, "admin")
    admin.user.role = "viewer"
    admin.user.save()

    with time_machine.travel(NOW, tick=False):
        response = client.delete("/api/v1/services/payments", headers={"authorization": f"Bearer {text}"})

    assert (response.status_code, code_of(response)) == (403, "ROLE_INSUFFICIENT")


def test_command_writes_the_token_alone_to_standard_output(
    reporter: Person, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("create_token", "reporter", name="deploy script", scope="write", days=7)

    written = capsys.readouterr()
    assert call(written.out.strip(), timezone.now()).json()["scope"] == "write"
    assert "It is not shown again" in written.err


@pytest.mark.parametrize(
    ("username", "options", "words"),
    [
        ("nobody", {}, "no user 'nobody'"),
        ("viewer", {"days": 0}, "from 1 to 366"),
        ("viewer", {"days": 10_000}, "from 1 to 366"),
        ("viewer", {"scope": "admin"}, "only these scopes"),
        ("viewer", {"name": "x" * 101}, "at most 100 characters"),
    ],
)
def test_command_says_what_is_wrong(viewer: Person, username: str, options: Any, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("create_token", username, **{"name": "deploy script", **options})
    assert not ApiToken.objects.exists()
