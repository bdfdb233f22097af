"""One JSON object a line, or a readable line, and no secrets in either."""

import json
import logging
from typing import Any

import pytest

from observability import logs, trace
from observability.logs import JsonFormatter, LineFormatter

NAMES = [
    "timestamp",
    "level",
    "service",
    "process",
    "trace_id",
    "job_id",
    "project_id",
    "logger",
    "message",
    "metadata",
    "duration_ms",
]


def record(message: str = "incident opened", *args: Any, level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("incidents", level, __file__, 1, message, args, None)
    made.created = 1741600800.25
    vars(made).update(fields)
    return made


def line(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter(service="sla-monitor").format(made)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_line_has_the_names_of_the_contract() -> None:
    found = line(record("incident %s opened", 7, incident_id=7, duration_ms=1.5))

    assert list(found) == NAMES
    assert (found["timestamp"], found["level"], found["service"]) == ("2025-03-10T10:00:00.250Z", "INFO", "sla-monitor")
    assert (found["message"], found["metadata"], found["duration_ms"]) == ("incident 7 opened", {"incident_id": 7}, 1.5)
    assert found["trace_id"] is None


def test_line_names_what_it_is_worked_for() -> None:
    with trace.following(trace.accept({"X-Job-Id": "j", "X-Project-Id": "p"})) as context:
        ours, other = line(record()), line(record(trace_id="e" * 32))

    assert (ours["trace_id"], ours["job_id"], ours["project_id"]) == (context.trace_id, "j", "p")
    assert ours["metadata"] == {"span_id": context.span_id}
    assert (other["trace_id"], other["job_id"]) == ("e" * 32, None), "a check has a trace of its own"


def test_line_breaks_and_control_characters_cannot_forge_lines() -> None:
    found = line(record('a\n{"level":"ERROR"}\x1b[31m', name_of_service="b\nc"))

    assert found["message"] == 'a\n{"level":"ERROR"}\x1b[31m' and found["metadata"]["name_of_service"] == "b\nc"


def test_exception_comes_with_its_traceback_and_without_its_secrets() -> None:
    try:
        raise ValueError("postgresql://me:hunter2-planted@db/x is down")
    except ValueError as error:
        made = record()
        made.exc_info = (ValueError, error, error.__traceback__)

    found = line(made)
    assert found["metadata"]["error"] == "ValueError"
    assert "test_logs.py" in found["metadata"]["traceback"]
    for text in (json.dumps(found), LineFormatter().format(made)):
        assert "hunter2-planted" not in text


def test_huge_line_loses_its_fields_and_stays_json() -> None:
    found = line(record(rows={f"row {number}": "x" * 5000 for number in range(100)}))

    assert list(found) == NAMES and found["metadata"]["cut"] > logs.LONGEST_LINE


def test_what_json_does_not_know_becomes_text() -> None:
    assert line(record(at=ValueError("x"), ids={1, 2}, raw=b"y"))["metadata"] == {
        "at": "x",
        "ids": [1, 2],
        "raw": "b'y'",
    }


def test_terminal_gets_words_and_fields() -> None:
    with trace.following(trace.accept({})) as context:
        text = LineFormatter().format(record(service_id="payments", token="hunter2-planted"))

    assert text.endswith(
        f" INFO incidents incident opened service_id='payments' token='•••' trace_id='{context.trace_id}'"
    )


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize(
    ("form", "kinds"),
    [
        ("json", (JsonFormatter, JsonFormatter)),
        ("line", (LineFormatter, LineFormatter)),
        ("auto", (LineFormatter, JsonFormatter)),
    ],
)
def test_form_is_chosen_by_setting_and_terminal(
    monkeypatch: pytest.MonkeyPatch, form: str, kinds: tuple[type, type], is_terminal: bool
) -> None:
    monkeypatch.setattr("os.isatty", lambda descriptor: is_terminal)

    assert type(logs.formatter(form)) is kinds[0 if is_terminal else 1]


def test_process_is_named_by_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAMONITOR_PROCESS", "probe1")

    assert line(record())["process"] == "probe1"
