import json
from typing import Any

import pytest

from monitoring.probes import KINDS, probe
from monitoring.probes.secrets import Secret, is_secret, map_secrets
from monitoring.probes.settings import described
from monitoring.probes.settings_cache import SettingsCache, WrongSettings
from monitoring.probes.tests.conftest import Run, make_spec
from monitoring.probes.tools import Tools

NO_CERTIFICATE = (
    "it is not a certificate in PEM. Enter all of it, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
)


def problems(kind: str, **values: Any) -> list[tuple[str, str]]:
    settings, found = KINDS[kind].read(values)
    assert (settings is None) == bool(found)
    return [(problem.key, str(problem)) for problem in found]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_without_settings(kind: str) -> None:
    assert problems(kind) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_described_and_its_example_can_be_read(kind: str) -> None:
    for each in described(KINDS[kind].settings):
        assert each.setting.help.endswith(".") and len(each.setting.help) < 120
        if each.setting.example is not None:
            example = json.loads(json.dumps(each.setting.example))
            found = [key for key, _ in problems(kind, **{each.name: example})]
            assert each.name not in found or each.name in ("send",), found  # needs another one with it


@pytest.mark.parametrize(
    ("kind", "values", "found"),
    [
        ("http", {"metod": "GET"}, [("metod", "unknown setting. Did you mean method?")]),
        ("reach", {"q": 1}, [("q", "unknown setting. Available settings: ports, addresses, degraded_over_ms.")]),
        ("http", {"failure_threshold": 3}, None),  # policy, not a matter of the probe
        ("http", {"method": "get"}, None),
        ("http", {"method": None}, [("method", "it is empty. Enter a value, or remove the line.")]),
        ("http", {"verify_tls": "yes"}, [("verify_tls", '"yes" is neither true nor false.')]),
        (
            "http",
            {"degraded_over_ms": 0},
            [("degraded_over_ms", "0 is out of range. Enter a number from 1 to 600000 ms.")],
        ),
        ("http", {"degraded_over_ms": True}, None),
        ("http", {"degraded_over_ms": "800"}, None),
        ("http", {"body": "x" * 70_000, "method": "POST"}, [("body", "it is longer than 65536 bytes.")]),
        ("http", {"body": "x"}, [("body", "a GET request has no body. Use POST, or remove the body.")]),
        ("http", {"body": "\0", "method": "PUT"}, None),
        ("http", {"headers": {"X": 5}}, [("headers.X", "it is not text. Put it in quotes.")]),
        ("http", {"headers": {"X": "a\r\nY: b"}}, None),
        ("http", {"headers": {"X Y": "a"}}, [("headers.X Y", '"X Y" is not the name of a header.')]),
        ("http", {"headers": {"Content-Length": "5"}}, None),
        ("http", {"headers": {"X": "a", "x": "b"}}, [("headers.x", "this header is listed twice.")]),
        ("http", {"headers": {"X": {"secret": "a", "and": "more"}}}, None),
        ("http", {"headers": ["X: a"]}, None),
        ("http", {"headers": {f"X-{n}": "a" for n in range(51)}}, None),
        ("http", {"expected_status": []}, None),
        ("http", {"expected_status": [200, "300-200"]}, None),
        ("http", {"expected_status": 600}, None),
        ("http", {"expected_status": True}, None),
        ("http", {"expected_status": [301, 302]}, None),  # needs follow_redirects: false
        ("http", {"keyword_present": ["a", ""]}, None),
        ("http", {"keyword_present": ["a"] * 21}, None),
        ("http", {"keyword_absent": ["a"] * 2_400}, None),
        ("http", {"expected_status": [200] * 51}, None),
        ("http", {"json_equals": [{"path": "$.a", "value": 1}] * 51}, None),
        ("dns", {"values": ["192.0.2.1"] * 51}, None),
        ("http", {"keyword_present": "a", "method": "HEAD"}, None),
        ("http", {"json_equals": {"path": "$.a"}}, None),
        ("http", {"json_equals": {"path": "$.a", "value": [1]}}, None),
        ("http", {"json_equals": {"path": "$.a[?@.b", "value": 1}}, None),
        (
            "http",
            {"json_equals": {"path": "$.a" * 200, "value": 1}},
            [("json_equals.path", "it is longer than 500 bytes.")],
        ),
        ("http", {"json_equals": {"path": "a", "value": 1}}, None),
        ("tcp", {"expect": ""}, None),
        ("tcp", {"expect": "\\q"}, None),
        ("tcp", {"send": "PING"}, [("send", "the response would not be read. Set expect as well.")]),
        ("dns", {"type": "ANY"}, None),
        ("dns", {"resolver": "dns.example"}, None),
        ("dns", {"resolver": "10.0.0.1:99999"}, None),
        ("dns", {"match": "exact"}, [("match", "there are no values to match. Enter values as well.")]),
        (
            "tls",
            {"min_version": 1.1},
            [("min_version", "TLS 1.1 is refused unless security is legacy. Set security: legacy as well.")],
        ),
        (
            "tls",
            {"min_version": "1.4"},
            [("min_version", '"1.4" is not a valid choice. Use one of 1.0, 1.1, 1.2, 1.3.')],
        ),
        (
            "tls",
            {"security": "old"},
            [("security", '"old" is not a valid choice. Use one of modern, browser, legacy.')],
        ),
        (
            "http",
            {"tls": "legacy"},
            [("tls", '"legacy" is not complete. Enter {security: browser}, {min_version: "1.3"}, or both.')],
        ),
        ("http", {"tls": {}}, None),
        ("http", {"tls": {"ciphers": "ALL"}}, None),
        (
            "http",
            {"tls": {"security": "weak"}},
            [("tls.security", '"weak" is not a valid choice. Use one of modern, browser, legacy.')],
        ),
        (
            "http",
            {"tls": {"min_version": 1}},
            [("tls.min_version", "1 is not a valid choice. Use one of 1.0, 1.1, 1.2, 1.3.")],
        ),
        (
            "http",
            {"tls": {"min_version": 1.0}},
            [("tls.min_version", "TLS 1.0 is refused unless security is legacy. Set security: legacy as well.")],
        ),
        ("http", {"tls": {"min_version": [], "security": []}}, None),
        ("http", {"ca": "not PEM"}, [("ca", NO_CERTIFICATE)]),
        ("http", {"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, [("ca", NO_CERTIFICATE)]),
        (
            "http",
            {"client_key": "-----BEGIN PRIVATE KEY-----"},
            [("client_key", "a private key must be a secret. Enter it as {secret: …}.")],
        ),
        (
            "http",
            {"client_certificate": {"secret": "s"}},
            [("client_key", "a client certificate needs its private key. Enter client_key as well.")],
        ),
        (
            "tls",
            {"client_key": {"secret": "s"}},
            [("client_certificate", "a private key needs its certificate. Enter client_certificate as well.")],
        ),
        ("http", {"client_certificate": "no", "client_key": {"secret": "s"}}, [("client_certificate", NO_CERTIFICATE)]),
        ("http", {"client_certificate": 7, "client_key": {"secret": "s"}}, None),
        ("http", {"client_certificate": "x" * 65_537, "client_key": {"secret": "s"}}, None),
        ("http", {"cert_days": 0}, [("cert_days", "0 is out of range. Enter a number from 1 to 3650 days.")]),
        ("domain", {"critical_days": 30}, [("critical_days", "it must be less than warn_days, which is 30.")]),
        (
            "domain",
            {"rdap_server": "rdap.org"},
            [("rdap_server", '"rdap.org" is not the address of an RDAP server. Enter one like https://rdap.org/.')],
        ),
        ("domain", {"rdap_server": 7}, None),
        ("tls", {"server_name": "a b"}, None),
        ("tls", {"critical_days": 21}, [("critical_days", "it must be less than warn_days, which is 21.")]),
        ("reach", {"ports": [0]}, None),
        ("reach", {"ports": list(range(1, 11))}, None),
        ("heartbeat", {"period": "1y"}, None),
        ("heartbeat", {"period": 0}, None),
    ],
)
def test_what_is_wrong_is_said(kind: str, values: dict[str, Any], found: list[tuple[str, str]] | None) -> None:
    said = problems(kind, **values)

    assert said
    assert found is None or said == found


def test_all_problems_are_found_at_once() -> None:
    keys = [key for key, _ in problems("http", metod="GET", verify_tls=1, headers={"X Y": "a\n"}, expected_status="x")]

    assert keys == ["metod", "headers.X Y", "headers.X Y", "expected_status", "verify_tls"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("http", {"expected_status": [200, "3xx", "400 - 404"]}),
        ("http", {"expected_status": 301, "follow_redirects": False}),
        ("http", {"headers": {"Host": "a.example", "X": {"secret": "s"}}, "method": "POST", "body": "{}"}),
        ("http", {"json_equals": [{"path": "$['a b'][-1].c-d", "value": None}, {"path": "$", "value": True}]}),
        ("http", {"json_equals": {"path": "$..checks[?@.ms > 9 && match(@.name, 'd.*')].up", "value": True}}),
        ("tcp", {"send": "PING\\r\\n\\x00", "expect": "+PONG"}),
        ("tls", {"min_version": 1.3, "critical_days": 0, "warn_days": 0}),
        ("dns", {"type": "MX", "values": "10 mail.example.com", "match": "exact", "resolver": "[::1]:5353"}),
        ("tls", {"min_version": "1.0", "security": "legacy"}),
        ("http", {"tls": {"min_version": 1.3}}),
        ("http", {"tls": {"min_version": "1.1", "security": "legacy"}, "cert_days": 14}),
        ("http", {"client_certificate": {"secret": "s"}, "client_key": {"secret": "s"}}),
        ("domain", {"warn_days": 60, "critical_days": 7, "rdap_server": "https://rdap.example/v1"}),
        ("reach", {"ports": 443}),
        ("heartbeat", {"period": "12h", "grace": 90}),
    ],
)
def test_what_is_right_is_taken(kind: str, values: dict[str, Any]) -> None:
    assert problems(kind, **values) == []


@pytest.mark.parametrize(
    ("kind", "url", "is_good"),
    [
        ("http", "https://a.example/x?y", True),
        ("http", "tcp://a.example:1", False),
        ("tcp", "tcp://a.example:25", True),
        ("tcp", "tcp://[::1]:25", True),
        ("tcp", "tcp://a.example", False),
        ("tcp", "tcp://a.example:0", False),
        ("tls", "tls://a.example", True),
        ("tls", "tls://a.example:465", True),
        ("dns", "dns://_sip._tcp.a.example", True),
        ("dns", "dns://a.example:53", False),
        ("dns", "dns://user@a.example", False),
        ("domain", "domain://a.example", True),
        ("domain", "domain://xn--bcher-kva.example.", True),
        ("domain", "domain://example", False),
        ("domain", "domain://192.0.2.1", False),
        ("domain", "domain://a.example:43", False),
        ("domain", "domain://a.example/x", False),
        ("reach", "host://10.0.0.1", True),
        ("reach", "host://a.example/path", False),
        ("reach", "", False),
        ("heartbeat", "", True),
        ("heartbeat", "https://a.example/", False),
    ],
)
def test_addresses_are_judged_by_kind(kind: str, url: str, is_good: bool) -> None:
    assert (KINDS[kind].url_problem(url) is None) is is_good


def test_secrets_show_nothing_of_themselves() -> None:
    written = {"headers": {"Authorization": {"secret": "sealed-text"}, "X": "open"}}
    settings, _ = KINDS["http"].read(written)
    _, found = KINDS["http"].read({"headers": {"X Y": {"secret": "sealed-text"}}, "body": {"secret": "sealed-text"}})

    assert "sealed-text" not in repr(settings)
    assert "sealed-text" not in repr([problem for problem in found if problem.key.startswith("headers")])
    assert Secret("a") == Secret("a") != Secret("b")
    assert is_secret({"secret": "a"}) and not is_secret({"secret": 1}) and not is_secret("a")
    masked = map_secrets({**written, "list": [{"secret": "b"}]}, lambda text: "•" * 3)
    assert masked == {
        "headers": {"Authorization": {"secret": "•••"}, "X": "open"},
        "list": [{"secret": "•••"}],
    }


def test_settings_are_read_again_only_when_they_change() -> None:
    cache, http = SettingsCache(), KINDS["http"].settings

    first = cache.read(http, make_spec("http://x/", settings={"keyword_present": "a"}))
    same = cache.read(http, make_spec("http://x/", settings={"keyword_present": "a"}))
    other = cache.read(http, make_spec("http://x/", settings={"keyword_present": "b"}))

    assert first is same
    assert getattr(other, "keyword_present", None) == ("b",)


def test_settings_of_another_kind_are_read_again() -> None:
    cache, spec = SettingsCache(), make_spec("http://x/", settings={})

    assert isinstance(cache.read(KINDS["http"].settings, spec), KINDS["http"].settings)
    assert isinstance(cache.read(KINDS["tcp"].settings, spec), KINDS["tcp"].settings)


def test_a_full_cache_makes_room() -> None:
    cache, http = SettingsCache(most=1), KINDS["http"].settings
    first = cache.read(http, make_spec("http://x/", service_id="a"))

    cache.read(http, make_spec("http://x/", service_id="b"))

    assert cache.read(http, make_spec("http://x/", service_id="a")) is not first


def test_settings_that_cannot_be_read_are_ours_and_no_verdict(run: Run, tools: Tools) -> None:
    with pytest.raises(WrongSettings, match=r"settings of api \(version 1\): metod: unknown setting"):
        run(probe(make_spec("http://x/", settings={"metod": "GET"}), tools))
    with pytest.raises(ValueError, match="heartbeat is not probed"):
        run(probe(make_spec("", kind="heartbeat"), tools))
    with pytest.raises(KeyError):
        run(probe(make_spec("", kind="pigeon"), tools))
