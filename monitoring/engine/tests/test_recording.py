from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from database import changes
from monitoring.config.clock import AHEAD
from monitoring.engine import recording
from monitoring.models import (
    ApiResponseTime,
    CheckRun,
    EngineCounter,
    Service,
    ServiceState,
    Transition,
    TransitionClaim,
    WatchServerLog,
)
from monitoring.probes.model import Phases, Verdict
from monitoring.rules.state import Run
from monitoring.states.runs import join_all
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

NOW = START + timedelta(hours=1)


def record(*results: Any) -> Any:
    return recording.record(results, NOW)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def runs() -> list[tuple[str, float, float, int]]:
    """All runs of the only service, the open one last, in seconds after `START`."""
    found = [(r.verdict, r.first_at, r.last_at, r.check_count) for r in CheckRun.objects.order_by("first_at")]
    state = ServiceState.objects.get()
    found.append((state.verdict, state.run_first_at, state.run_last_at, state.run_count))
    return [(v, (a - START).total_seconds(), (b - START).total_seconds(), n) for v, a, b, n in found]


def test_a_check_is_stored_with_its_phases_and_its_request() -> None:
    make_service()

    recorded = record(make_result(0))

    assert (recorded.stored, recorded.duplicates) == (1, 0)
    check = WatchServerLog.objects.get()
    assert (check.checked_at, check.verdict, check.is_healthy, check.status_code) == (START, "ok", True, 200)
    assert (check.response_time, check.first_byte_ms, check.lateness_ms, check.error_type) == (40.5, 30, 1.5, None)
    request = ApiResponseTime.objects.get()
    assert (request.is_success, request.is_final, request.endpoint, request.status_code) == (True, True, None, 200)


def test_times_are_kept_in_hundredths_of_a_millisecond() -> None:
    make_service()
    noisy = Phases(dns_ms=0.123456, connect_ms=2, first_byte_ms=30.0049, total_ms=40.505000001)

    record(replace(make_result(0), phases=noisy, lateness_ms=0.0149))

    check = WatchServerLog.objects.get()
    assert (check.dns_ms, check.first_byte_ms, check.response_time) == (0.12, 30.0, 40.51)
    assert check.lateness_ms == 0.01


def test_the_same_batch_again_neither_stores_nor_counts() -> None:
    make_service()
    batch = [make_result(0), make_result(60, "bad"), make_result(120, "bad")]
    record(*batch)

    recorded = record(*batch)

    assert (recorded.stored, recorded.duplicates, recorded.changes) == (0, 3, 0)
    assert runs() == [("ok", 0, 0, 1), ("bad", 60, 120, 2)]
    assert WatchServerLog.objects.count() == ApiResponseTime.objects.count() == 3
    assert Transition.objects.count() == 2


def test_a_twin_within_one_batch_is_stored_once() -> None:
    make_service()

    assert record(make_result(0), make_result(0)).duplicates == 1


def test_the_second_failure_in_a_row_becomes_a_transition_with_its_evidence() -> None:
    make_service()
    before = changes.current("page")

    record(make_result(0), make_result(60, "bad"), make_result(65, "bad"))

    transition = Transition.objects.order_by("id").last()
    assert (transition.from_status, transition.to_status, transition.cause) == ("o", "mo", "failed")
    assert (transition.edge_start_at, transition.edge_end_at) == (START, START + timedelta(seconds=60))
    assert transition.evidence["error_message"] == "connection refused by 10.0.0.5:443"
    assert len(transition.evidence["trace_id"]) == 32
    assert Service.objects.get().status == "mo"
    assert changes.current("page") > before


def test_every_transition_waits_for_each_consumer(django_capture_on_commit_callbacks: Any) -> None:
    make_service()

    with django_capture_on_commit_callbacks() as callbacks:
        record(make_result(0))

    claims = TransitionClaim.objects.order_by("consumer")
    assert [(claim.consumer, claim.done_at) for claim in claims] == [("incidents", None), ("system_status", None)]
    assert [callback.__name__ for callback in callbacks].count("nudge_for_transitions") == 1


def test_checks_of_an_archived_service_are_kept_without_a_state() -> None:
    assert record(make_result(0, service_id="gone")).stored == 1

    assert not ServiceState.objects.exists()


def test_a_result_of_the_future_is_refused_and_counted() -> None:
    make_service()
    ahead_s = (NOW - START + AHEAD).total_seconds()

    recorded = record(make_result(ahead_s + 0.001), make_result(ahead_s))

    assert (recorded.stored, recorded.ahead, recorded.refused) == (1, 1, 0)
    counter = EngineCounter.objects.get(name="results_ahead")
    assert counter.value == 1 and counter.raised_at is not None


def test_a_result_long_past_is_refused_and_counted() -> None:
    make_service()

    recorded = record(make_result(-100 * 86_400), make_result(0))

    assert (recorded.stored, recorded.ahead, recorded.refused) == (1, 0, 1)
    assert EngineCounter.objects.get(name="results_refused").value == 1


@pytest.mark.parametrize(
    ("why", "in_order", "late", "expected"),
    [
        (
            "a good check in the middle of a good run",
            [(0, "ok"), (60, "ok"), (180, "ok")],
            [(120, "ok")],
            [("ok", 0, 180, 4)],
        ),
        (
            "a failure in the middle of a good run splits it",
            [(0, "ok"), (60, "ok"), (180, "ok"), (240, "ok")],
            [(120, "bad")],
            [("ok", 0, 60, 2), ("bad", 120, 120, 1), ("ok", 180, 240, 2)],
        ),
        (
            "a check that closes a gap joins two runs",
            [(0, "ok"), (240, "ok")],
            [(120, "ok")],
            [("ok", 0, 240, 3)],
        ),
        (
            "several at once, before everything and between",
            [(600, "ok"), (660, "bad"), (720, "bad")],
            [(0, "bad"), (690, "ok")],
            [("bad", 0, 0, 1), ("ok", 600, 600, 1), ("bad", 660, 660, 1), ("ok", 690, 690, 1), ("bad", 720, 720, 1)],
        ),
        (
            "far from both ends of a long run",
            [(60 * n, "ok") for n in range(50) if n != 25],
            [(1500, "bad")],
            [("ok", 0, 1440, 25), ("bad", 1500, 1500, 1), ("ok", 1560, 2940, 24)],
        ),
    ],
)
def test_late_checks_are_worked_into_the_runs(why: Any, in_order: Any, late: Any, expected: Any) -> None:
    make_service()
    for seconds, verdict in in_order:
        record(make_result(seconds, verdict))
    transitions = Transition.objects.count()

    record(*[make_result(seconds, verdict) for seconds, verdict in late])

    assert runs() == expected, why
    assert Transition.objects.count() == transitions


def test_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(40):
        make_service(f"service-{number}")
    record(*[make_result(0, service_id=f"service-{number}") for number in range(40)])

    with django_assert_num_queries(7):  # begin, the wait for locks, checks, requests, states locked and saved, end
        record(*[make_result(60, service_id=f"service-{number}") for number in range(40)])


def test_several_regions_fold_by_quorum() -> None:
    make_service(regions=["a", "b", "c"])
    three = ("a", "b", "c")

    record(*[make_result(0, region=region) for region in three])
    record(*[make_result(60, "bad" if region == "a" else "ok", region=region) for region in three])
    assert Service.objects.get().status == "po"

    for seconds in (120, 180):
        record(*[make_result(seconds, "ok" if region == "c" else "bad", region=region) for region in three])
    assert Service.objects.get().status == "mo"


@pytest.mark.parametrize("seed", range(12))
def test_runs_are_those_of_the_raw_checks_in_whatever_order_they_arrive(seed: Any) -> None:
    random = Random(seed)
    make_service()
    checks = [(60 * slot, random.choice(["ok", "ok", "ok", "slow", "bad"])) for slot in random.sample(range(80), 50)]
    arrival = sorted(checks, key=lambda check: check[0] + random.choice([0, 0, 0, 400, 3000]))

    while arrival:
        batch, arrival = arrival[:7], arrival[7:]
        recording.record([make_result(seconds, verdict) for seconds, verdict in batch], START + timedelta(hours=2))

    single = (Run.of(Verdict(v), START + timedelta(seconds=s), hold_s=150) for s, v in sorted(checks))
    recorded = (
        Run(verdict=Verdict(v), first_at=at(a), last_at=at(b), check_count=n, hold_s=150) for v, a, b, n in runs()
    )
    assert list(join_all(recorded)) == list(join_all(single))


def test_one_slot_is_one_check_however_many_regions_answer() -> None:
    make_service(regions=["a", "b", "c"])
    three = ("a", "b", "c")
    record(*[make_result(0, region=region) for region in three])

    record(*[make_result(60, "bad", region=region) for region in three])
    assert Service.objects.get().status in ("o", "po"), "one bad slot confirms nothing"
    record(*[make_result(120, "bad", region=region) for region in reversed(three)])

    assert Service.objects.get().status == "mo"
    assert runs() == [("ok", 0, 0, 1), ("bad", 60, 120, 2)]


def test_a_verdict_that_another_region_of_the_slot_overrules_leaves_no_trace() -> None:
    make_service(regions=["a", "b", "c"])
    record(*[make_result(0, "bad" if region in "ab" else "ok", region=region) for region in "abc"])

    # The good answer of c comes first, while the newest of a and b are still the bad ones of the slot before.
    for region in "cab":
        record(make_result(60, "ok", region=region))

    assert Service.objects.get().status == "o"
    assert runs() == [("bad", 0, 0, 1), ("ok", 60, 60, 1)]


def test_a_hang_that_only_late_results_show_is_told_after_the_fact() -> None:
    make_service(check_interval=1000, timeout=30_000)
    fields = {"interval_ms": 1000, "timeout_ms": 30_000}
    record(*[make_result(second, **fields) for second in range(10)])
    # From 10 to 29 the target took connections and said nothing; what was asked since has been answered at once.
    record(*[make_result(second, **fields) for second in range(30, 41)])

    for second in range(10, 30):
        record(make_result(second, "bad", **fields))

    told = [(t.to_status, t.edge_end_at, t.evidence.get("error_type")) for t in Transition.objects.order_by("id")[1:]]
    assert told == [("mo", at(10), "connection_error"), ("o", at(30), None)]
    assert runs() == [("ok", 0, 9, 10), ("bad", 10, 29, 20), ("ok", 30, 40, 11)]
    assert Service.objects.get().status == ServiceState.objects.get().status == "o"


def test_a_late_failure_that_confirms_an_outage_under_way_is_told_at_once() -> None:
    make_service()
    record(make_result(0), make_result(120, "bad"))
    assert Service.objects.get().status == "o"

    record(make_result(60, "bad"))

    assert Service.objects.get().status == "mo"
    assert Transition.objects.order_by("id").last().edge_end_at == at(60)


def test_an_older_outage_known_late_leaves_a_service_down_that_is() -> None:
    make_service()
    record(*[make_result(60 * slot, "bad" if slot in (20, 21) else "ok") for slot in (*range(3), *range(6, 22))])

    record(*[make_result(60 * slot, "bad") for slot in (3, 4, 5)])

    assert Service.objects.get().status == "mo"
    told = Transition.objects.order_by("id").values_list("from_status", "to_status")
    assert list(told) == [("nd", "o"), ("o", "mo"), ("o", "mo"), ("mo", "o")]
