"""Secrets are recognised by name and by shape; other text stays readable."""

from typing import Any

import pytest

from observability.masking import MASK, mask, mask_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7planted\n-----END RSA PRIVATE KEY-----"

PLANTED = {
    "bearer": ("Authorization: Bearer planted0123456789abcdef", "planted0123456789abcdef"),
    "basic": ("sent Basic cGxhbnRlZDpwbGFudGVk", "cGxhbnRlZDpwbGFudGVk"),
    "jwt": (f"token was {JWT}, sorry", JWT),
    "aws": ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
    "google": ("AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    "github": ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    "slack": ("xoxb-123456789012-planted", "xoxb-123456789012-planted"),
    "slack hook": ("https://hooks.slack.com/services/T000/B000/planted", "T000/B000/planted"),
    "stripe": ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyjWDarjtT1zdp7dc"),
    "pem": (f"read {PEM} from disk", "MIIEpAIBAAKCAQEA7planted"),
    "cut pem": ("-----BEGIN PRIVATE KEY-----\nMIIEplanted", "MIIEplanted"),
    "card": ("paid with 4111 1111 1111 1111 today", "4111 1111 1111 1111"),
    "card in one": ("card=5500005555555559;", "5500005555555559"),
    "url": ("cannot reach postgresql://me:pl@nted@db:5432/x", "pl@nted"),
    "url without user": ("redis://:planted@cache/0", "planted"),
    "query": ("GET /a?api_key=planted&b=1", "planted"),
    "json": ('{"password": "pla nted", "a": 1}', "pla nted"),
    "json in json": ('"{\\"password\\": \\"pla nted\\", \\"a\\": 1}"', "pla nted"),
    "query of a url": ("http://a.example/b?token=planted&b=1", "planted"),
    "encoded": ("GET /a?b=sent%20Basic%20cGxhbnRlZDpwbGFudGVk", "cGxhbnRlZDpwbGFudGVk"),
    "our own": ("slm_0123456789abcdefghijABCDEFGHIJ0123456789", "0123456789abcdefghijABCDEFGHIJ0123456789"),
    "header": ("X-Api-Key: planted", "planted"),
    "cookie": ("Set-Cookie: sessionid=planted", "planted"),
}


@pytest.mark.parametrize(("text", "secret"), PLANTED.values(), ids=PLANTED)
def test_secret_of_every_shape_is_masked(text: str, secret: str) -> None:
    assert secret not in mask_text(text) and MASK in mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "status changed service_id='payments' from='o' to='mo'",
        "no such host: nowhere.invalid",
        "answered 500 Internal Server Error after 1741600800123 ms",
        "basic authentication failed",
        "a bearer of bad news",
        "https://example.com/a@b?page=2&max_tokens=5",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
        "00000000-0000-4000-8000-000000000000",
        "order 4111111111111112",
        "2025-03-10T10:00:00.250Z",
        "1741600800000000000",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('password="first\nsecond", user="me"', f'password="{MASK}", user="me"'),
        (r'{"password": "fir\"st", "a": 1}', f'{{"password": "{MASK}", "a": 1}}'),
        (r'"{\"password\": \"fir\\\"st\", \"a\": 1}"', rf'"{{\"password\": \"{MASK}\", \"a\": 1}}"'),
        ("token: 'never closed\nsecond", f"token: '{MASK}'"),
    ],
)
def test_what_is_quoted_is_masked_to_its_end(text: str, left: str) -> None:
    assert mask_text(text) == left


def test_the_rest_of_a_text_stays() -> None:
    assert mask_text("postgresql://me:x@db/sla is down") == f"postgresql://{MASK}@db/sla is down"
    assert mask_text("GET /a?api_key=planted&b=1") == f"GET /a?api_key={MASK}&b=1"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"password": "x", "user": "me"}, {"password": MASK, "user": "me"}),
        (
            {"accessToken": "x", "client_secret": 7, "Authorization": "x"},
            dict.fromkeys(("accessToken", "client_secret", "Authorization"), MASK),
        ),
        (
            {"token_count": 3, "tokens_used": 4, "service_id": "a"},
            {"token_count": 3, "tokens_used": 4, "service_id": "a"},
        ),
        ({"headers": [{"x-api-key": "x"}]}, {"headers": [{"x-api-key": MASK}]}),
        ({"tokens": ["x", "y"]}, {"tokens": [MASK, MASK]}),
        ({"password": None, "secret": ""}, {"password": None, "secret": ""}),
        ({"card": 4111111111111111, "at_ms": 1741600800123}, {"card": MASK, "at_ms": 1741600800123}),
    ],
)
def test_secret_is_masked_by_its_name(given: Any, expected: Any) -> None:
    assert mask(given) == expected


def test_data_is_bounded() -> None:
    nested: Any = "x"
    for _ in range(100):
        nested = [nested]

    assert len(str(mask(nested))) < 100
    assert len(mask(list(range(10_000)))) == 100
    assert len(mask("x" * 1_000_000)) < 10_000


def test_long_hostile_text_takes_no_time_to_speak_of() -> None:
    """Patterns that backtrack would take minutes for these; the test would not end."""
    pieces = ["a://", "eyJ", "-----BEGIN ", "1234 ", "a=", "a.", "a:", "Bearer ", "@", "4111-", "token=", "password: "]
    for piece in [*pieces, '"', 'a="', '\\"', "\\"]:
        mask_text(piece * 5_000)
