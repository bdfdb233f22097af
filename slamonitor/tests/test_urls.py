"""Every address, tried by everybody: who may enter is stated here, and an address that is not stated fails."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.tests.cast import Person

# Status for a stranger, a viewer, a reporter and an admin, who open the address (GET).
ALL = (200, 200, 200, 200)
SIGNED_IN = (302, 200, 200, 200)
REPORTERS = (302, 403, 200, 200)
ADMINS = (302, 403, 403, 200)
MISSING = (302, 404, 404, 404)
MISSING_FOR_ALL = (404, 404, 404, 404)
BY_FORM = (405, 405, 405, 405)

EXPECTED: dict[str, tuple[str, tuple[int, ...]]] = {
    # route: an address of it, and the statuses
    "": ("/", ALL),
    "assets/<slug:version>/<str:name>": ("/assets/0/none.css", MISSING_FOR_ALL),
    "health": ("/health", ALL),
    "heartbeat/<str:token>": ("/heartbeat/guessed", MISSING_FOR_ALL),
    "heartbeat/<str:token>/start": ("/heartbeat/guessed/start", MISSING_FOR_ALL),
    "heartbeat/<str:token>/fail": ("/heartbeat/guessed/fail", MISSING_FOR_ALL),
    "heartbeat/<str:token>/<int:exit_code>": ("/heartbeat/guessed/1", MISSING_FOR_ALL),
    "language": ("/language", (302, 302, 302, 302)),
    "admin/": ("/admin/", SIGNED_IN),
    "admin/login/": ("/admin/login/", (200, 302, 302, 302)),
    "admin/logout/": ("/admin/logout/", (302, 405, 405, 405)),
    "admin/password_change/": ("/admin/password_change/", SIGNED_IN),
    "admin/password_change/done/": ("/admin/password_change/done/", SIGNED_IN),
    "admin/autocomplete/": ("/admin/autocomplete/", (302, 403, 403, 403)),  # without saying of what
    "admin/jsi18n/": ("/admin/jsi18n/", SIGNED_IN),
    "admin/search/": ("/admin/search/", SIGNED_IN),
    "admin/r/<path:content_type_id>/<path:object_id>/": ("/admin/r/0/0/", MISSING),
    "admin/(?P<url>.*)$": ("/admin/nothing-here", MISSING),
}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield re.sub(r"\(\?P<app_label>[^)]*\)", "<app_label>", route)  # its apps are those with something in it


def test_every_address_is_in_the_table():
    found = set(routes(get_resolver().url_patterns))

    assert found - set(EXPECTED) == set(), "say in EXPECTED who may enter"
    assert set(EXPECTED) - found == set(), "these are no addresses any more"


@pytest.mark.parametrize("route", EXPECTED)
def test_each_address_opens_for_whom_it_should(cast: dict[str, Person], route: str, monkeypatch: pytest.MonkeyPatch):
    from statuspage import front
    from statuspage.tests.cast import reading_keeper

    monkeypatch.setattr(front, "keeper", reading_keeper())
    address, expected = EXPECTED[route]

    found = {name: person.client.get(address).status_code for name, person in cast.items()}

    assert found == dict(zip(("stranger", "viewer", "reporter", "admin"), expected, strict=True)), address


@pytest.mark.parametrize("address", [address for address, statuses in EXPECTED.values() if statuses[0] == 302])
def test_strangers_are_led_to_the_sign_in_and_nowhere_else(client: Client, db: None, address: str):
    if address in ("/language", "/admin/logout/"):
        return

    assert client.get(address).headers["Location"].startswith("/admin/login/?next=/admin/")
