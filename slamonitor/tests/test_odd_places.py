"""No address fails by odd text in any place of a request: path, query, form, JSON and headers, for each role.

Each pair of address and place is tried, and each with another odd text in turn, so that the sweep takes seconds.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.tests.cast import Person
from incidents.models import UpdateTemplate
from incidents.tests.factories import make_incident, make_update
from monitoring.engine.heartbeats import open_door
from monitoring.models import MaintenanceWindow, Restatement
from monitoring.tests.factories import make_service
from slamonitor.tests.test_api_permissions import OPERATIONS
from slamonitor.tests.test_urls import EXPECTED, own_token

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("page")]

WHO = ["stranger", "viewer", "reporter", "admin"]
NUL, SURROGATE, LONG = "%00", "%ED%A0%80", "x" * 8_000
IN_PATH = [NUL, "a%00b", SURROGATE, "%FF", "-1", "9" * 30, LONG, "%0A", "..%2f", "%F0%9F%98%80"]
IN_QUERY = [*IN_PATH, "1e999", "NaN", "-" + "9" * 400, "2025-02-30", "9999-12-31", "0001-01-01T00:00:00%2B23:59", "[]"]
IN_JSON = ["\ud800", "a\0b", "x" * 8_000, -1, 10**400, 1e308, [], {"\ud800": "\0"}, None, [[[[]]]], True]
IN_HEADERS = [
    "\xff",
    "x" * 8_000,
    '"a\\000b"',
    "-1",
    "9" * 400,
    ";;=",
    "multipart/form-data; boundary=",
    'W/"\xe9"',
    "%00",
]
HEADERS = (
    *("Accept", "Accept-Language", "Authorization", "Cookie", "Host", "Idempotency-Key", "If-Match", "If-None-Match"),
    *("If-Modified-Since", "Origin", "Range", "Referer", "traceparent", "X-Forwarded-For", "X-Forwarded-Proto"),
    *("X-Trace-Id", "X-Requested-With", "Content-Type", "Content-Encoding"),
)
NAMES = (
    "q", "p", "o", "e", "all", "term", "app_label", "model_name", "field_name", "from", "to", "cursor", "limit",
    "page", "service", "region", "verdict", "status", "window", "kind", "group", "tag", "shown", "next", "username",
    "password", "action", "select_across", "_selected_action", "reason", "language", "old_password",
    "new_password1", "name", "id", "endpoint_url", "display_name", "description", "check_interval", "timeout",
    "regions", "tags", "metadata", "title", "email", "role", "scope", "days", "since", "until", "is_active__exact",
    "status__exact", "object_id", "parent",
)  # fmt: skip
# Without those that answer 503 without an engine, and sign out.
ROUTES = {
    route: address
    for route, (address, _expected) in EXPECTED.items()
    if address not in ("/health", "/readyz", "/admin/logout/")
}
Request = tuple[str, Callable[[Client], Any]]
Ids = dict[str, str]


@pytest.fixture
def page(db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    from statuspage import front
    from statuspage.tests.cast import reading_keeper

    monkeypatch.setattr(front, "keeper", reading_keeper())
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.API_RATE_LIMIT = 0


@pytest.fixture
def ids(cast: dict[str, Person]) -> Ids:
    """Make one of everything, and return what stands for ids in addresses."""
    make_service("payments", is_active=False)
    now = timezone.now()
    make_update(id=7, incident=make_incident(id=7, title="Payments fail", started_at=now), created_at=now)
    UpdateTemplate.objects.create(id=7, name="Looking", message="We are looking into it.")
    window = MaintenanceWindow.objects.create(since=now)
    about: Any = {"service_id": "payments", "restated_as": "operational", "reason": "ours", "proposed_at": now}
    Restatement.objects.create(id=7, since=now, until=now + timedelta(hours=1), **about)
    return {
        "admin": str(cast["admin"].user.pk),
        "token": str(own_token(cast["viewer"]).pk),
        "policy": "1",
        "window": str(window.pk),
    }


def failures(client: Client, requests: Iterator[Request]) -> dict[str, int]:
    client.raise_request_exception = False
    statuses = {name[:200]: ask(client).status_code for name, ask in requests}
    return {name: status for name, status in statuses.items() if status >= 500}


def getting(url: str, method: str = "GET", **more: Any) -> Request:
    return f"{method} {url[:150]} {str(more)[:80]}", lambda client: client.generic(method, url, **more)


def odd_paths(ids: Ids) -> Iterator[Request]:
    """Put a NUL, and another odd text, into each part of an address that a route leaves open."""
    for number, (route, address) in enumerate(ROUTES.items()):
        parts = address.format(**ids).split("/")[1:]
        for place, part in enumerate(route.split("/")[: len(parts)]):
            for odd in (NUL, IN_PATH[number % len(IN_PATH)]) if "<" in part else ():
                url = "/" + "/".join([*parts[:place], odd, *parts[place + 1 :]])
                yield getting(url, "POST" if number % 2 else "GET")


def odd_queries(ids: Ids) -> Iterator[Request]:
    odd = cycle(IN_QUERY)
    for address in sorted({*ROUTES.values()}):
        for part in range(2):
            values = (f"{name}={next(odd)}" for name in NAMES[part::2])
            yield getting(f"{address.format(**ids)}?{'&'.join(values)}"[:60_000])
        yield getting(f"{address.format(**ids)}?" + "&".join(f"{name}={NUL}" for name in NAMES))


def odd_forms(ids: Ids) -> Iterator[Request]:
    odd = cycle(IN_QUERY)
    names = [
        *NAMES,
        "since_0",
        "since_1",
        "until_0",
        "until_1",
        "started_at_0",
        "kind",
        "check_settings",
        "restated_as",
        "updates-0-message",
        "major_services",
        "template",
        "incident",
        "publish_at_0",
        "message",
    ]
    for address in sorted({*ROUTES.values()}):
        yield getting(address.format(**ids), "POST")
        values = dict(zip(names, cycle(IN_JSON[:3]), strict=False))
        yield getting(address.format(**ids), "POST", data=json.dumps(values), content_type="application/json")
        for _time in range(2 if address.startswith("/admin/") else 1):
            body = "&".join(f"{name}={next(odd)}" for name in names)
            yield getting(address.format(**ids), "POST", data=body, content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("requests", [odd_paths, odd_queries, odd_forms])
def test_no_address_fails(
    cast: dict[str, Person], ids: Ids, who: str, requests: Callable[[Ids], Iterator[Request]]
) -> None:
    every = 1 if who in ("stranger", "admin") else 4  # other roles see less of the same pages

    assert failures(cast[who].client, islice(requests(ids), None, None, every)) == {}


@pytest.mark.parametrize("who", ["stranger", "admin"])
def test_no_header_fails(cast: dict[str, Person], ids: Ids, who: str) -> None:
    addresses = ["/", "/services/payments/ledger", "/api/v1/services", "/admin/", "/admin/checks/", "/heartbeat/x"]

    def requests() -> Iterator[Request]:
        for number, (address, header) in enumerate((address, header) for address in addresses for header in HEADERS):
            for odd in (IN_HEADERS[number % len(IN_HEADERS)], IN_HEADERS[(number + 3) % len(IN_HEADERS)]):
                value = f"sessionid={odd}; csrftoken={odd}; django_language={odd}" if header == "Cookie" else odd
                yield getting(address, "POST" if number % 2 else "GET", headers={header: value})

    assert failures(cast[who].client, requests()) == {}


def test_a_nul_in_the_cookie_of_a_session_is_no_session(client: Client) -> None:
    client.raise_request_exception = False

    answer = client.get("/admin/", headers={"cookie": 'sessionid="abcdefghijkl\\000mnopqrstuvwx"'})

    assert answer.status_code in (302, 400)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_no_body_of_the_api_fails(cast: dict[str, Person], ids: Ids, role: str) -> None:
    _token, text = tokens.make(cast[role].user, "test", "read", days=1, now=timezone.now())
    type(_token).objects.update(scope="admin")
    fields = [
        "name",
        "description",
        "endpoint_url",
        "check_interval",
        "regions",
        "tags",
        "metadata",
        "check",
        "group",
        "parent",
        "timeout",
        "reason",
        "quorum",
        "id",
        "display_name",
        "is_active",
        "failure_threshold",
    ]
    odd = cycle(IN_JSON)

    def requests() -> Iterator[Request]:
        for operation in OPERATIONS.values():
            for field in fields if operation.body else fields[:3]:
                body: Any = {**(operation.body or {}), field: next(odd)}
                if field == "check":
                    body[field] = {"kind": "http", "headers": {"X": next(odd)}, "body": next(odd)}
                yield getting(
                    f"/api/v1{operation.path}",
                    operation.method,
                    data=json.dumps(body),
                    content_type="application/json",
                    headers={"authorization": f"Bearer {text}", "if-match": "*"},
                )

    assert failures(Client(), requests()) == {}


def test_a_lone_surrogate_in_json_is_refused_in_the_format_of_errors(admin: Person, ids: Ids) -> None:
    _token, text = tokens.make(admin.user, "test", "admin", days=1, now=timezone.now())

    answer = Client().post(
        "/api/v1/services/payments/pause",
        r'{"reason": "\ud800"}',
        content_type="application/json",
        headers={"authorization": f"Bearer {text}"},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MALFORMED_REQUEST")


def test_no_ping_fails() -> None:
    make_service("backup", kind="heartbeat", endpoint_url=None)
    token = open_door(type(make_service("other")).objects.get(id="backup"))

    def requests() -> Iterator[Request]:
        for base in ("heartbeat", "ping", "api/push"):
            for odd in IN_QUERY:
                yield getting(f"/{base}/{token}/{odd}")
                yield getting(f"/{base}/{token}?rid={odd}&status={odd}&msg={odd}&ping={odd}")
            for body in (b"\0\xff", b"\xed\xa0\x80", b"x" * 20_000):
                yield getting(f"/{base}/{token}", "POST", data=body, content_type="application/json")

    assert failures(Client(), requests()) == {}
