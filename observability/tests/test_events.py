"""Events, operations, tasks and live connections: one form, and metrics."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from celery import shared_task

from observability import harmless, jobs, metrics, operations, streams, trace
from observability.events import MOST_NAMED, Action, Subject, tell, tell_when_committed
from observability.tests.test_metrics import samples


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "observability")


def figure(name: str, **labels: str) -> float:
    return samples(metrics.render().decode()).get((f"slamonitor_{name}", frozenset(labels.items())), 0.0)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    return [(record.getMessage(), record.levelno) for record in caplog.records]


@pytest.mark.django_db
def test_event_names_what_it_touches_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = figure("events_total", event="incident.created")

    tell(Subject.INCIDENT, Action.CREATED, incident_id=7, absent=None)

    assert told(caplog) == [("incident created", logging.INFO)]
    assert vars(caplog.records[0])["event"] == "incident.created"
    assert vars(caplog.records[0])["incident_id"] == 7 and not hasattr(caplog.records[0], "absent")
    assert figure("events_total", event="incident.created") == before + 1


@pytest.mark.django_db
def test_event_of_a_change_waits_for_the_commit(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        tell_when_committed(Subject.SERVICE, Action.UPDATED, [f"s{number}" for number in range(MOST_NAMED + 5)])
        tell_when_committed(Subject.SERVICE, Action.DELETED, [])
    assert told(caplog) == []

    for callback in callbacks:
        callback()
    assert len(caplog.records) == MOST_NAMED + 1
    assert vars(caplog.records[0])["service_id"] == "s0" and vars(caplog.records[-1])["number"] == 5


@pytest.mark.django_db
@pytest.mark.parametrize(("slow_ms", "level"), [(0, logging.INFO), (60_000, logging.DEBUG)])
def test_operation_is_measured_in_a_span_of_its_own(caplog: pytest.LogCaptureFixture, slow_ms: int, level: int) -> None:
    labels = {"operation": "test", "outcome": "completed"}
    before = figure("operation_duration_seconds_count", **labels)

    with (
        trace.following(trace.accept({})) as outer,
        operations.operation("test", slow_ms=slow_ms, days=3) as operation,
    ):
        inner = trace.current()
        operation.note(rows=5)

    assert inner and (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert told(caplog) == [("operation completed", level)]
    fields = vars(caplog.records[0])
    assert (fields["operation"], fields["days"], fields["rows"]) == ("test", 3, 5) and fields["duration_ms"] >= 0
    assert figure("operation_duration_seconds_count", **labels) == before + 1


def test_failing_operation_is_told_and_goes_on_failing(caplog: pytest.LogCaptureFixture) -> None:
    @operations.measured("test")
    def fail(number: int) -> int:
        """Divide."""
        return number // 0

    with pytest.raises(ZeroDivisionError):
        fail(1)

    assert fail.__name__ == "fail"
    assert told(caplog) == [("operation failed", logging.WARNING)]
    assert vars(caplog.records[0])["error"] == "ZeroDivisionError"


@shared_task(name="observability.tests.job")
def job(how: str) -> str:
    context = trace.current()
    assert context is not None
    if how == "fail":
        raise ZeroDivisionError
    return f"{context.trace_id} {context.job_id}"


@pytest.mark.django_db
def test_job_is_told_within_the_trace_that_caused_it(caplog: pytest.LogCaptureFixture) -> None:
    given = trace.accept({"X-Job-Id": "nightly"})
    with trace.following(given):
        headers = trace.carried()

    ran = job.apply(["work"], headers=headers)

    assert ran.result == f"{given.trace_id} nightly"
    assert trace.current() is None
    assert told(caplog) == [("job started", logging.DEBUG), ("job completed", logging.DEBUG)]
    assert figure("job_duration_seconds_count", task="observability.tests.job", outcome="completed") >= 1


def test_job_of_nobody_has_a_trace_and_its_own_id() -> None:
    ran = job.apply(["work"], task_id="task-1")

    assert ran.result.split()[1] == "task-1"


@pytest.mark.django_db
def test_failing_job_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    job.apply(["fail"])

    assert ("job failed", logging.ERROR) in told(caplog)
    assert figure("job_duration_seconds_count", task="observability.tests.job", outcome="failed") >= 1


def test_rejected_job_is_told(caplog: pytest.LogCaptureFixture) -> None:
    jobs.end("a", "1", "REJECTED")

    assert told(caplog) == [("job cancelled", logging.WARNING)]


@pytest.mark.django_db
def test_live_connection_is_told_and_measured(caplog: pytest.LogCaptureFixture) -> None:
    def figures() -> tuple[float, ...]:
        return (
            figure("connections_open", kind="logs"),
            figure("connection_duration_seconds_count", kind="logs", outcome="closed"),
            figure("message_bytes_sent_total", kind="logs", type="line"),
        )

    is_open, closed, sent = figures()
    stream = streams.Stream("logs", viewer_id=3)
    assert figures() == (is_open + 1, closed, sent)
    stream.sent("line", 120)
    stream.closed("the visitor left")
    stream.failed(OSError("too late to count"))

    assert [message for message, _ in told(caplog)] == ["connection opened", "message sent", "connection closed"]
    assert vars(caplog.records[-1])["reason"] == "the visitor left"
    assert figures() == (is_open, closed + 1, sent + 120)


@pytest.mark.django_db
def test_figures_that_fail_harm_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def labels(self, *_: Any) -> Any:
            raise OSError("no space left on device")

    for module, name in ((operations, "_seconds"), (jobs, "_seconds"), (streams, "_open")):
        monkeypatch.setattr(module, name, Full())
    monkeypatch.setattr(harmless, "_told_at", {})  # only the first failure of each name in a minute is logged

    with operations.operation("test"):
        pass
    jobs.end("a", "1", "SUCCESS")
    streams.Stream("logs").closed("done")

    assert "observability failed" in {message for message, _ in told(caplog)}
