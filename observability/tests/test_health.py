"""Health checks answer in time, whatever is down."""

import threading
from functools import partial

import pytest
from django.test import Client

from observability import health
from observability.deadlines import Asker
from observability.health import Finding, Health, HealthChecks


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> HealthChecks:
    """The only checks, to which the addresses answer, too."""
    only = HealthChecks(kept_s=0.0)
    monkeypatch.setattr(health, "checks", only)
    return only


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
def test_worst_dependency_decides(
    client: Client, checks: HealthChecks, statuses: list[Health], overall: str, code: int
) -> None:
    for number, status in enumerate(statuses):
        checks.register(f"dependency {number}", partial(finding, status))

    response = client.get("/health")

    body = response.json()
    assert (response.status_code, body["status"], body["service"]) == (code, overall, "sla-monitor")
    assert [dependency["status"] for dependency in body["dependencies"]] == statuses
    assert set(body) == {"status", "service", "timestamp", "version", "dependencies", "uptime"}


def test_living_process_says_so_whatever_is_down(client: Client, checks: HealthChecks) -> None:
    checks.register("database", lambda: finding(Health.UNHEALTHY), needed_to_serve=True)

    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(("is_needed", "status"), [(True, 503), (False, 200)])
def test_ready_is_who_has_what_serving_needs(
    client: Client, checks: HealthChecks, is_needed: bool, status: int
) -> None:
    checks.register("x", lambda: finding(Health.UNHEALTHY), needed_to_serve=is_needed)

    assert client.get("/readyz").status_code == status


def test_checker_that_raises_is_unhealthy_and_tells_nothing_internal(checks: HealthChecks) -> None:
    def fail() -> Finding:
        raise ZeroDivisionError("internal words")

    checks.register("x", fail)

    assert checks.examine()[0].finding == Finding(status=Health.UNHEALTHY, message="ZeroDivisionError")


def test_hanging_checker_is_unhealthy_and_costs_one_thread() -> None:
    checks = HealthChecks(Asker(), answer_within_s=0.01)
    may_end = threading.Event()

    def hang() -> Finding:
        may_end.wait(30)
        return finding(Health.HEALTHY)

    checks.register("hanging", hang)

    found = [checks.examine()[0].finding.message for _ in range(5)]

    assert found == ["no answer within 0.01 s"] * 5
    assert [thread.name for thread in threading.enumerate()].count("ask health of hanging") == 1
    may_end.set()


def test_checks_are_made_side_by_side_with_one_deadline_over_all() -> None:
    checks = HealthChecks(Asker())
    everybody_is_here = threading.Barrier(5)

    def wait() -> Finding:
        everybody_is_here.wait(10)  # one after another, none would ever pass
        return finding(Health.HEALTHY)

    for number in range(5):
        checks.register(f"meeting {number}", wait)

    assert {each.finding.status for each in checks.examine()} == {Health.HEALTHY}


def test_those_who_ask_at_once_wait_for_one_examination() -> None:
    checks = HealthChecks(Asker(), kept_s=60.0)
    made: list[int] = []

    def count() -> Finding:
        made.append(1)
        return finding(Health.HEALTHY)

    checks.register("counted", count)
    threads = [threading.Thread(target=checks.recent) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_question_for_which_there_was_no_thread_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    checks = HealthChecks(Asker())
    checks.register("x", lambda: finding(Health.HEALTHY))

    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        assert checks.examine()[0].finding.message == "RuntimeError"

    assert checks.examine()[0].finding.status is Health.HEALTHY


@pytest.mark.parametrize(("port", "status"), [("9", Health.UNHEALTHY)])
def test_dependency_may_be_given_by_its_url(checks: HealthChecks, port: str, status: Health) -> None:
    checks.register_url("refused", f"http://127.0.0.1:{port}/")

    assert checks.examine()[0].finding == Finding(status=status, message="ConnectError")
