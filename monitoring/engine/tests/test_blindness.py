from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from monitoring.accounting import rollup
from monitoring.engine import blindness
from monitoring.engine.recording import record
from monitoring.instruments.health import check_network
from monitoring.models import (
    CheckRun,
    RegionSight,
    RollupRequest,
    Service,
    ServiceState,
    Span,
    Transition,
    WatchServerLog,
)
from monitoring.states.silence import mark_silent
from monitoring.tests.factories import START, START_MS, make_result, make_service
from monitoring.worker.canaries import Look
from observability.health import Health

pytestmark = pytest.mark.django_db

SERVICES = ("alpha", "beta", "gamma", "delta")


def look(seconds: float, has_answer: bool = False) -> Look:
    return Look(looked_at_ms=START_MS + round(seconds * 1000), has_answer=has_answer, canaries="http://router/")


def batch(seconds: float, verdicts: str, has_answer: bool | None = False, now: datetime | None = None) -> Any:
    """Record a check of each service, bad where its letter is b; the canaries are asked right after.

    It is recorded a second after the checks were due, or at `now`, where it waited.
    """
    results = [
        make_result(seconds, "bad" if letter == "b" else "ok", service_id)
        for service_id, letter in zip(SERVICES, verdicts, strict=False)
        if letter != "-"
    ]
    said = None if has_answer is None else look(seconds + 0.1, has_answer)
    return record(results, now or START + timedelta(seconds=seconds + 1), said)


@pytest.fixture(autouse=True)
def services() -> None:
    for id in SERVICES:
        make_service(id)
    record([make_result(0, "ok", id) for id in SERVICES], START)


def statuses() -> Any:
    return [Service.objects.get(id=id).status for id in SERVICES]


def test_failures_open_outages_while_a_canary_answers() -> None:
    batch(60, "bbbb", has_answer=True)
    batch(65, "bbbb", has_answer=True)

    assert statuses() == ["mo"] * 4
    assert not Span.objects.exists()


def test_no_outage_opens_while_all_canaries_and_most_services_fail(caplog: pytest.LogCaptureFixture) -> None:
    batch(60, "bbb-")
    batch(65, "bbb-")
    batch(120, "bbbb")

    assert "mo" not in statuses()
    span = Span.objects.get()
    assert (span.kind, span.service, span.since, span.until) == ("blind", None, START + timedelta(seconds=60), None)
    assert "http://router/" in span.reason
    assert [record.levelname for record in caplog.records if "our own network" in record.message] == ["ERROR"]
    assert WatchServerLog.objects.filter(verdict="bad").count() == 10
    assert WatchServerLog.objects.speaking().filter(verdict="bad").count() == 3, "those before it was decided"


def test_services_become_unknown_as_their_last_checks_cease_to_speak() -> None:
    batch(60, "bbbb")
    batch(65, "bbbb")
    batch(300, "bbbb")

    mark_silent(START + timedelta(seconds=300))

    assert statuses() == ["nd"] * 4


def test_the_span_ends_when_a_canary_answers_and_failures_count_again() -> None:
    batch(60, "bbbb")
    batch(65, "bbbb")
    batch(300, "oobo", has_answer=True)
    batch(305, "--b-", has_answer=True)

    assert Span.objects.get().until == START + timedelta(seconds=300.1)
    assert statuses() == ["o", "o", "mo", "o"]
    assert RegionSight.objects.get().blind_since is None


def test_the_same_batches_again_change_nothing() -> None:
    for _ in range(2):
        batch(60, "bbbb", now=START + timedelta(seconds=66))
        batch(65, "bbbb")
    for _ in range(2):
        batch(300, "oooo", has_answer=True)
    before = Span.objects.values().get()

    batch(65, "bbbb", now=START + timedelta(seconds=301))

    assert Span.objects.values().get() == before
    assert RegionSight.objects.get().blind_since is None
    assert statuses() == ["o"] * 4


def test_canaries_that_fail_by_themselves_do_not_hide_an_outage() -> None:
    batch(60, "booo")
    batch(61, "-ooo")
    batch(65, "b---")

    assert statuses() == ["mo", "o", "o", "o"]
    assert not Span.objects.exists()


def test_an_outage_is_put_off_until_it_is_known_whose_fault_it_is() -> None:
    batch(60, "b---")
    batch(65, "b---")
    assert statuses()[0] == "o"

    batch(70, "-ooo")
    batch(75, "b---")

    assert statuses()[0] == "mo"
    assert ServiceState.objects.get(service="alpha").is_down
    assert Transition.objects.get(to_status="mo").edge_end_at == START + timedelta(seconds=60)


def test_a_service_that_is_down_with_its_first_failure_is_put_off_as_well() -> None:
    Service.objects.update(failure_threshold=1)

    batch(60, "bbbb")

    assert statuses() == ["o"] * 4


def test_time_in_which_services_answered_though_no_canary_did_is_not_blind() -> None:
    for second in range(60, 3600, 60):
        batch(second, "oooo")
    batch(3600, "bbbb")
    batch(3605, "bbbb")

    assert Span.objects.get().since == START + timedelta(seconds=3600)


def test_closed_days_that_turn_out_to_be_blind_are_accounted_again() -> None:
    yesterday = START.date() - timedelta(days=1)
    batch(-7200, "bbbb", now=START)
    rollup.roll_up(yesterday, SERVICES, START + timedelta(hours=1), UTC)
    RollupRequest.objects.all().delete()

    batch(-7195, "bbbb", now=START + timedelta(hours=1))  # it waited in the queue, and with it the decision

    assert Span.objects.get().since == START - timedelta(seconds=7200)
    assert set(RollupRequest.objects.values_list("date", "service")) >= {(yesterday, id) for id in SERVICES}


def test_the_few_services_of_a_small_installation_are_enough() -> None:
    Service.objects.exclude(id="alpha").update(is_active=False)

    batch(60, "b---")
    batch(65, "b---")

    assert Span.objects.exists()


def test_one_region_of_two_is_blind_without_a_span() -> None:
    Service.objects.update(regions=["default", "seoul"])

    batch(60, "bbbb")
    batch(65, "bbbb")

    assert RegionSight.objects.get().blind_since is not None
    assert not Span.objects.exists()


def test_runs_are_rebuilt_without_the_checks_of_a_blind_region() -> None:
    batch(60, "bbbb")
    batch(65, "bbbb")
    batch(300, "oooo", has_answer=True)

    record([make_result(55, "ok", "alpha")], START + timedelta(seconds=301))

    runs = CheckRun.objects.filter(service_id="alpha").order_by("first_at")
    assert [(run.verdict, run.check_count) for run in runs] == [("ok", 2), ("bad", 1)]


def test_a_worker_that_fell_silent_leaves_nobody_blind() -> None:
    batch(60, "bbbb")
    batch(65, "bbbb")

    assert blindness.forget(START + timedelta(seconds=100)) == 0
    assert blindness.forget(START + timedelta(seconds=130)) == 1
    assert Span.objects.get().until == START + timedelta(seconds=65.1)


def test_health_says_since_when() -> None:
    assert check_network().status is Health.HEALTHY

    batch(60, "bbbb")
    batch(65, "bbbb")

    finding = check_network()
    assert finding.status is Health.DEGRADED
    assert finding.message == "our own network seems down since 2025-03-10 00:01 UTC (region default)"


def test_without_canaries_nothing_is_asked(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert blindness.judge([make_result(0, "bad")], None, now=START) == {}
