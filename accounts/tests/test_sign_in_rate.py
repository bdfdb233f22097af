"""Sign-ins are limited by address before a password is hashed."""

import pytest
from django.contrib.auth import hashers
from django.test import Client

from accounts import sign_in_rate

LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def clock_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_rate, "now_s", lambda: 1000.0)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the passwords that are hashed, and hash them quickly."""
    found: list[str] = []

    class Quick(hashers.MD5PasswordHasher):
        def encode(self, password: str, salt: str) -> str:
            found.append(password)
            return super().encode(password, salt)

    monkeypatch.setattr(hashers, "get_hashers", lambda: [Quick()])
    monkeypatch.setattr(hashers, "get_hasher", lambda algorithm="default": Quick())
    return found


@pytest.mark.django_db
def test_after_ten_at_once_an_address_waits_and_nothing_is_hashed(hashed: list[str]) -> None:
    here = Client(REMOTE_ADDR="198.51.100.9")
    names = [f"name-{number}" for number in range(sign_in_rate.AT_ONCE)]

    allowed = [here.post(LOGIN, {"username": name, "password": "wrong"}).status_code for name in names]
    hashed.clear()
    answer = here.post(LOGIN, {"username": "another", "password": "wrong"})

    assert allowed == [200] * sign_in_rate.AT_ONCE
    assert (answer.status_code, hashed) == (429, [])
    assert 0 < int(answer.headers["Retry-After"]) <= sign_in_rate.THEN_EVERY_S
    assert here.get(LOGIN).status_code == 200


@pytest.mark.django_db
def test_a_neighbourhood_of_ipv6_counts_as_one_address_and_others_are_not_concerned(hashed: list[str]) -> None:
    for number in range(sign_in_rate.AT_ONCE):
        Client(REMOTE_ADDR=f"2001:db8::{number}").post(LOGIN, {"username": f"n{number}", "password": "wrong"})

    said = {"username": "n", "password": "wrong"}
    assert Client(REMOTE_ADDR="2001:db8::ffff").post(LOGIN, said).status_code == 429
    assert Client(REMOTE_ADDR="2001:db8:0:1::1").post(LOGIN, said).status_code == 200
