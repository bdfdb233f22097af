"""Health checks answer in time, whatever is down."""

import threading

import pytest
from django.test import Client

from observability import deadlines, health
from observability.health import Finding, Health


@pytest.fixture(autouse=True)
def no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checkers", {})
    monkeypatch.setattr(health, "_needed_to_serve", set())


def finding(status: Health) -> Finding:
    return Finding(status=status, message="words")


@pytest.mark.parametrize(
    ("statuses", "overall", "code"),
    [
        ([], "healthy", 200),
        ([Health.HEALTHY, Health.DEGRADED], "degraded", 200),
        ([Health.DEGRADED, Health.UNHEALTHY, Health.HEALTHY], "unhealthy", 503),
    ],
)
def test_worst_dependency_decides(client: Client, statuses: list[Health], overall: str, code: int) -> None:
    for number, status in enumerate(statuses):
        health.register(f"dependency {number}", lambda status=status: finding(status))

    response = client.get("/health")

    body = response.json()
    assert (response.status_code, body["status"], body["service"]) == (code, overall, "sla-monitor")
    assert [dependency["status"] for dependency in body["dependencies"]] == statuses
    assert set(body) == {"status", "service", "timestamp", "version", "dependencies", "uptime"}


def test_living_process_says_so_whatever_is_down(client: Client) -> None:
    health.register("database", lambda: finding(Health.UNHEALTHY), needed_to_serve=True)

    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(("is_needed", "status"), [(True, 503), (False, 200)])
def test_ready_is_who_has_what_serving_needs(client: Client, is_needed: bool, status: int) -> None:
    health.register("x", lambda: finding(Health.UNHEALTHY), needed_to_serve=is_needed)

    assert client.get("/readyz").status_code == status


def test_checker_that_raises_is_unhealthy_and_tells_nothing_internal() -> None:
    def fail() -> Finding:
        raise ZeroDivisionError("internal words")

    health.register("x", fail)

    assert health.examine()[0].finding == Finding(status=Health.UNHEALTHY, message="ZeroDivisionError")


def test_hanging_checker_is_unhealthy_and_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "USE_THREADS", True)
    monkeypatch.setattr(health, "ANSWER_WITHIN_S", 0.01)
    may_end = threading.Event()

    def hang() -> Finding:
        may_end.wait(30)
        return finding(Health.HEALTHY)

    health.register("hanging", hang)

    found = [health.examine()[0].finding.message for _ in range(5)]

    assert found == ["no answer within 0.01 s"] * 5
    assert [thread.name for thread in threading.enumerate()].count("ask health of hanging") == 1
    may_end.set()


def test_checks_are_made_side_by_side_with_one_deadline_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "USE_THREADS", True)
    everybody_is_here = threading.Barrier(5)

    def wait() -> Finding:
        everybody_is_here.wait(10)  # one after another, none would ever pass
        return finding(Health.HEALTHY)

    for number in range(5):
        health.register(f"meeting {number}", wait)

    assert {each.finding.status for each in health.examine()} == {Health.HEALTHY}


def test_those_who_ask_at_once_wait_for_one_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "USE_THREADS", True)
    monkeypatch.setattr(health, "_kept", {True: health._Kept(), False: health._Kept()})
    made: list[int] = []

    def count() -> Finding:
        made.append(1)
        return finding(Health.HEALTHY)

    health.register("counted", count)
    threads = [threading.Thread(target=health.recent) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_question_for_which_there_was_no_thread_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(deadlines, "USE_THREADS", True)
    health.register("x", lambda: finding(Health.HEALTHY))

    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        assert health.examine()[0].finding.message == "RuntimeError"

    assert health.examine()[0].finding.status is Health.HEALTHY


@pytest.mark.parametrize(("port", "status"), [("9", Health.UNHEALTHY)])
def test_dependency_may_be_given_by_its_url(port: str, status: Health) -> None:
    health.register_url("refused", f"http://127.0.0.1:{port}/")

    assert health.examine()[0].finding == Finding(status=status, message="ConnectError")
