"""Sign-in: one-time passwords, lock-out, and sessions."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import sign_in_rate
from accounts.lockout import neighbourhood_address
from accounts.models import User
from accounts.permissions import Role
from accounts.tests.cast import Person, make_person
from observability.buckets import Buckets
from observability.visitors import client_ip

LOGIN, CHANGE, INDEX = "/admin/login/", "/admin/password_change/", "/admin/"
DEFAULT_HASHER = settings.PASSWORD_HASHERS[0]  # read before the fixture below replaces it
OWN = "ferry-lantern-42-moss"


def sign_in(client: Client, password: str, name: str = "new") -> Any:
    return client.post(LOGIN, {"username": name, "password": password, "next": INDEX})


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Space the attempts of one address so that its rate limit never applies (`test_sign_in_rate.py`)."""
    fresh = Buckets(size=1_000, refilled_every_s=1, most_keys=sign_in_rate.MOST_ADDRESSES)
    monkeypatch.setattr(sign_in_rate, "attempts", fresh)


@pytest.fixture(autouse=True)
def quick_hasher(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def newcomer(db: None) -> tuple[User, str]:
    return User.objects.create_with_one_time_password("new", "new@example.com", Role.REPORTER)


def test_one_time_password_leads_to_choosing_ones_own_before_anything_else(
    client: Client, newcomer: tuple[User, str]
) -> None:
    user, password = newcomer
    sign_in(client, password)

    assert client.get(INDEX).headers["Location"] == CHANGE
    page = client.get(CHANGE).content.decode()
    assert "one-time password" in page
    assert 'id="nav-sidebar"' not in page

    done = client.post(CHANGE, {"old_password": password, "new_password1": OWN, "new_password2": OWN})

    assert done.headers["Location"] == INDEX
    assert client.get(INDEX).status_code == 200
    user.refresh_from_db()
    assert not user.must_change_password
    assert user.last_login is not None


def test_a_one_time_password_cannot_be_kept(client: Client, newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    sign_in(client, password)

    page = client.post(CHANGE, {"old_password": password, "new_password1": password, "new_password2": password})

    assert "Choose another one" in page.content.decode()
    assert client.get(INDEX).headers["Location"] == CHANGE


def test_forced_page_speaks_korean(client: Client, newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    sign_in(client, password)

    page = client.get(CHANGE, headers={"accept-language": "ko"}).content.decode()

    assert "일회용 비밀번호로 로그인하셨습니다" in page


def test_public_pages_stay_open_while_a_password_must_be_chosen(client: Client, newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    sign_in(client, password)

    assert client.get("/health").status_code in (200, 503)
    assert client.post(reverse("set_language"), {"language": "ko", "next": CHANGE}).headers["Location"] == CHANGE


def test_changing_the_password_ends_other_sessions(newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    here, elsewhere = Client(), Client()
    sign_in(here, password)
    sign_in(elsewhere, password)

    here.post(CHANGE, {"old_password": password, "new_password1": OWN, "new_password2": OWN})

    assert here.get(INDEX).status_code == 200
    assert elsewhere.get(INDEX).headers["Location"].startswith(LOGIN)


def test_fifth_failure_locks_the_name_at_this_address_and_says_so(newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    client = Client(REMOTE_ADDR="198.51.100.7")

    answers = [sign_in(client, "wrong").status_code for _try in range(5)]
    locked = sign_in(client, password)

    assert answers == [200, 200, 200, 200, 429]
    assert locked.status_code == 429
    assert "locked for 15 minutes" in locked.content.decode()
    assert sign_in(Client(REMOTE_ADDR="198.51.100.8"), password).status_code == 302


def test_lock_ends_after_15_minutes_even_when_somebody_keeps_trying(newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    client, now = Client(), timezone.now()
    with time_machine.travel(now, tick=False):
        for _try in range(5):
            sign_in(client, "wrong")
    with time_machine.travel(now + timedelta(minutes=14), tick=False):
        assert sign_in(client, "wrong").status_code == 429
    with time_machine.travel(now + timedelta(minutes=16), tick=False):
        assert sign_in(client, password).status_code == 302


def test_names_that_do_not_exist_are_locked_in_the_same_way(db: None) -> None:
    client = Client()

    assert [sign_in(client, "wrong", "nobody").status_code for _try in range(5)] == [200, 200, 200, 200, 429]


def fail(address: str, names: list[str]) -> list[int]:
    return [sign_in(Client(REMOTE_ADDR=address), "wrong", name).status_code for name in names]


def test_many_names_from_one_address_lock_it(newcomer: tuple[User, str], unhurried: None) -> None:
    _user, password = newcomer

    answers = fail("198.51.100.7", [f"name{number}" for number in range(26)])

    assert (answers[:24], answers[24:]) == ([200] * 24, [429, 429])
    assert sign_in(Client(REMOTE_ADDR="198.51.100.7"), password).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="198.51.100.8"), password).status_code == 302


def test_a_network_of_ipv6_is_one_neighbourhood(newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    for number in range(5):
        fail(f"2001:db8:1:2::{number:x}", ["new"])

    assert sign_in(Client(REMOTE_ADDR="2001:db8:1:2:ffff::1"), password).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="2001:db8:1:3::1"), password).status_code == 302


def test_a_name_is_locked_for_strangers_wherever_they_are_and_not_for_its_owner(newcomer: tuple[User, str]) -> None:
    _user, password = newcomer
    at_home, at_a_friends = Client(REMOTE_ADDR="203.0.113.1"), Client(REMOTE_ADDR="203.0.113.2")
    sign_in(at_home, password)
    at_home.post("/admin/logout/")
    for number in range(25):
        fail(f"198.51.100.{number}", ["new"] * 4)

    assert fail("198.51.100.200", ["new"]) == [429]
    assert sign_in(at_a_friends, password).status_code == 429
    assert fail("198.51.100.200", ["another"]) == [200]
    assert sign_in(at_home, password).status_code == 302


def test_the_mark_of_a_browser_is_for_its_own_name_and_cannot_be_made_up(
    newcomer: tuple[User, str], admin: Person
) -> None:
    _user, password = newcomer
    for number in range(25):
        fail(f"198.51.100.{number}", ["new"] * 4)
    forged, others = Client(), Client()
    forged.cookies["known_browser"] = "1:aaaaaa:bbbbbbbbbbbbbbbbbbbb"
    admin.user.set_password(OWN)
    admin.user.save()
    assert sign_in(others, OWN, admin.user.username).status_code == 302
    cookie = others.cookies["known_browser"]
    others.post("/admin/logout/")

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", LOGIN)
    assert [sign_in(client, password).status_code for client in (forged, others)] == [429, 429]


def test_signing_in_oneself_does_not_forgive_guesses_at_others(newcomer: tuple[User, str], unhurried: None) -> None:
    _user, password = newcomer
    here = Client(REMOTE_ADDR="198.51.100.7")
    for number in range(24):
        fail("198.51.100.7", [f"name{number}"])
        if number % 4 == 0:
            assert sign_in(here, password).status_code == 302

    assert fail("198.51.100.7", ["another"]) == [429]


@pytest.mark.parametrize("name", ["x" * 256, "x" * 5_000, "\0", "a\0b", "한" * 300])
def test_any_name_is_only_a_wrong_one(db: None, name: Any) -> None:
    assert [sign_in(Client(), "wrong", name).status_code for _try in range(2)] == [200, 200]


@pytest.mark.parametrize(
    ("address", "neighbourhood"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", None),
        ("1.2.3.4:5678", None),
        ("", None),
    ],
)
def test_failures_are_counted_by_neighbourhood(db: None, address: str, neighbourhood: str | None) -> None:
    assert neighbourhood_address(RequestFactory().get("/", REMOTE_ADDR=address)) == neighbourhood
    assert sign_in(Client(REMOTE_ADDR=address), "wrong").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.1", "10.0.0.1"),  # no proxy of ours: the visitor invented the header
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "1.2.3.4, 203.0.113.1", "203.0.113.1"),  # the entries to the left are invented
        (2, "1.2.3.4, 203.0.113.1, 10.0.0.9", "203.0.113.1"),
        (2, "203.0.113.1", "203.0.113.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_only_our_own_proxies_are_believed(settings: Settings, proxies: int, forwarded: str, address: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": forwarded})

    assert client_ip(request) == address


def test_session_lives_twelve_hours_from_its_last_use(db: None) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        client = make_person("viewer").client
        for hours in (11, 22):
            clock.move_to(now + timedelta(hours=hours))
            assert client.get(INDEX).status_code == 200, hours
        clock.move_to(now + timedelta(hours=34, minutes=1))
        assert client.get(INDEX).status_code == 302


def test_session_cookie_is_kept_from_scripts_and_other_sites(client: Client, newcomer: tuple[User, str]) -> None:
    _user, password = newcomer

    cookie = sign_in(client, password).cookies["sessionid"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_deactivated_users_are_signed_out(viewer: Person) -> None:
    User.objects.update(is_active=False)

    assert viewer.client.get(INDEX).status_code == 302


def test_new_passwords_are_hashed_with_bcrypt() -> None:
    assert DEFAULT_HASHER == "django.contrib.auth.hashers.BCryptSHA256PasswordHasher"
