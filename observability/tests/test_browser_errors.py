"""Reports of our scripts become log lines: few, short, masked, under the trace of their page, from anybody."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from observability import browser_errors, metrics
from observability.browser_errors import MOST_BYTES, Limits
from observability.logs import JsonFormatter
from observability.tests.test_masking import PLANTED

ADDRESS = "/api/browser_errors"
TRACE = "0af7651916cd43dd8448eb211c80319c"
REPORT = {
    "kind": "error",
    "message": "Uncaught TypeError: x is null",
    "page": "/",
    "source": "https://status.example/assets/0a1b/page.js",
    "line": 12,
    "column": 3,
    "stack": "TypeError: x is null\n    at refresh (https://status.example/assets/0a1b/page.js:12:3)",
}


class Lines(logging.Handler):
    """The lines of the log, as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limits]:
    """Full buckets, and a clock that stands still."""
    monkeypatch.setattr(browser_errors, "limits", Limits())
    monkeypatch.setattr(browser_errors, "monotonic", lambda: 0.0)
    with time_machine.travel(0, tick=False):
        yield browser_errors.limits


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler, logger = Lines(), logging.getLogger("observability")
    logger.addHandler(handler)
    yield handler.written
    logger.removeHandler(handler)


def send(body: Any = REPORT, *, address: str = "203.0.113.7", **options: Any) -> Any:
    """Send from a browser without cookies, to a server that enforces CSRF tokens."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(ADDRESS, text, **{"content_type": "application/json", "REMOTE_ADDR": address, **options})


def counted(outcome: str) -> float:
    return sum(
        sample.value
        for family in metrics._counted()
        for sample in family.samples
        if sample.name == "slamonitor_browser_errors_total" and sample.labels == {"outcome": outcome}
    )


def test_a_report_is_one_line_under_the_trace_of_its_page(lines: list[str]) -> None:
    answer = send(headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "User-Agent": "Phone " * 100})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["X-Trace-Id"] == TRACE
    assert "no-store" in answer.headers["Cache-Control"] and not answer.cookies
    (line,) = map(json.loads, lines)
    assert (line["message"], line["level"], line["trace_id"]) == ("browser error", "WARNING", TRACE)
    said = line["metadata"]
    assert (said["kind"], said["says"], said["page"], said["line"]) == ("error", REPORT["message"], "/", 12)
    assert said["stack"] == REPORT["stack"] and len(said["agent"]) == 200


def test_nobody_is_looked_up(lines: list[str]) -> None:
    """Without the database, sessions and tokens cannot have been read; pytest-django refuses every query here."""
    client = Client(headers={"Authorization": "Bearer slm_none", "Cookie": "sessionid=none", "Idempotency-Key": "k"})

    assert client.post(ADDRESS, REPORT, content_type="application/json").status_code == 204


@pytest.mark.parametrize("field", ["message", "stack", "page", "source"])
@pytest.mark.parametrize(("text", "secret"), PLANTED.values(), ids=PLANTED)
def test_no_planted_secret_is_logged(lines: list[str], text: str, secret: str, field: str) -> None:
    assert send({**REPORT, field: text}, headers={"User-Agent": text}).status_code == 204

    assert secret not in lines[0] and json.dumps(secret)[1:-1] not in lines[0]


def test_what_visitors_may_have_written_into_an_address_is_left_out(lines: list[str]) -> None:
    send({**REPORT, "page": "/services/a/ledger?from=mine#here", "source": "https://a.example/page.js?v=mine"})

    said = json.loads(lines[0])["metadata"]
    assert (said["page"], said["source"]) == ("/services/a/ledger", "https://a.example/page.js")


def test_a_report_cannot_forge_lines(lines: list[str]) -> None:
    send({**REPORT, "message": 'x\n{"level": "CRITICAL"}\r\x1b[2J\x00'})

    assert len(lines) == 1 and "\n" not in lines[0] and "\x1b" not in lines[0]


BAD: dict[str, tuple[Any, int, str]] = {
    "nothing": (" ", 400, "MALFORMED_REQUEST"),
    "no JSON": ("{", 400, "MALFORMED_REQUEST"),
    "no text": (b'{"kind": "\xff"}', 400, "MALFORMED_REQUEST"),
    "half a character": ('{"kind": "\\ud83d"}', 400, "MALFORMED_REQUEST"),
    "deep": ("[" * 4_000, 400, "MALFORMED_REQUEST"),
    "a list": ([REPORT], 422, "VALIDATION_FAILED"),
    "empty": ({}, 422, "VALIDATION_FAILED"),
    "another kind": ({**REPORT, "kind": "news"}, 422, "VALIDATION_FAILED"),
    "more than is asked": ({**REPORT, "cookies": "a=b"}, 422, "VALIDATION_FAILED"),
    "no message": ({**REPORT, "message": ""}, 422, "VALIDATION_FAILED"),
    "long message": ({**REPORT, "message": "x" * 501}, 422, "VALIDATION_FAILED"),
    "long stack": ({**REPORT, "stack": "x" * 2_001}, 422, "VALIDATION_FAILED"),
    "long page": ({**REPORT, "page": "/" * 301}, 422, "VALIDATION_FAILED"),
    "line of text": ({**REPORT, "line": "12"}, 422, "VALIDATION_FAILED"),
    "huge line": ({**REPORT, "line": 10**30}, 422, "VALIDATION_FAILED"),
    "no number": ('{"kind": "error", "message": "m", "page": "/", "line": NaN}', 422, "VALIDATION_FAILED"),
    "too large": ({**REPORT, "stack": "x" * MOST_BYTES}, 413, "PAYLOAD_TOO_LARGE"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD.values(), ids=BAD)
def test_what_is_no_report_is_refused_in_the_form_of_all_errors(
    lines: list[str], body: Any, status: int, code: str
) -> None:
    before = counted("refused")

    answer = send(body)

    assert answer.status_code == status, answer.content
    assert answer.json()["error"]["code"] == code and answer.json()["success"] is False
    assert lines == [] and counted("refused") == before + 1


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_foreign_page_could_send_unasked_is_refused(lines: list[str], content_type: str) -> None:
    assert send(content_type=content_type).status_code == 415
    assert lines == []


def test_reading_is_not_offered() -> None:
    assert Client().get(ADDRESS).status_code == 405


def test_one_address_can_send_ten_and_then_one_in_six_seconds(lines: list[str]) -> None:
    before = counted("limited")

    statuses = [send().status_code for _ in range(12)]
    refused, other = send(), send(address="203.0.113.8")

    assert statuses == [204] * 10 + [429] * 2
    assert (refused.json()["error"]["code"], refused.headers["Retry-After"]) == ("RATE_LIMITED", "6")
    assert other.status_code == 204, "others are not held up"
    assert len(lines) == 11 and counted("limited") == before + 3


def test_what_is_no_report_counts_for_its_sender() -> None:
    assert [send("{").status_code for _ in range(11)] == [400] * 10 + [429]


def test_all_together_can_send_thirty_and_then_one_in_two_seconds(lines: list[str]) -> None:
    statuses = [send(address=f"198.51.100.{number}").status_code for number in range(100)]

    assert statuses == [204] * 30 + [429] * 70
    assert len(lines) == 30


def test_memory_is_bounded_however_many_send(limits: Limits) -> None:
    for number in range(10_000):
        limits.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)

    assert len(limits.each) == 4_096 and len(limits.all) == 1


def test_a_log_that_fails_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(browser_errors.logger, "warning", broken)

    assert send().status_code == 204
