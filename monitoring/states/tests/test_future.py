"""States that a clock put into the future, and what becomes of them once it is set right."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from monitoring.accounting import evidence, rollup_requests
from monitoring.config.clock import AHEAD
from monitoring.engine import blindness
from monitoring.engine.recording import record
from monitoring.models import (
    CheckRun,
    EngineCounter,
    RegionSight,
    RegionState,
    RollupWatermark,
    Service,
    ServiceState,
    Transition,
    UptimeRecord,
    WatchServerLog,
)
from monitoring.rules.sla import Kind
from monitoring.rules.state import Policy
from monitoring.states.future import StatesAhead, correct, refuse
from monitoring.states.silence import mark_silent
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

HOUR_S = 3600
EVERY_S = 10
HOLD_S = 25


def at(seconds: Any) -> Any:
    return START + timedelta(seconds=seconds)


def check(seconds: Any, verdict: str = "ok", service_id: str = "payments", **fields: Any) -> Any:
    """Record a check a second after its slot, by the clock that made it."""
    result = make_result(seconds, verdict, service_id, interval_ms=EVERY_S * 1000, **fields)
    return record([result], at(seconds + 1))


def status(id: str = "payments") -> Any:
    return Service.objects.get(id=id).status


def kinds(since: Any, until: Any, id: str = "payments") -> Any:
    """Return the kind of each second of a window, as it is published."""
    service, window = Service.objects.get(id=id), (at(since), at(until))
    rules = Policy(failure_threshold=service.failure_threshold or 2)
    found = evidence.fetch([service], *window, [rules])[id]
    account = evidence.account(id, found, rules, window, at(until))
    return [each.kind for each in account.intervals for _ in range(each.seconds)]


def old_service(id: str = "payments", **fields: Any) -> Any:
    """Make a service that existed before all that is checked here."""
    service = make_service(id, **fields)
    Service.objects.filter(id=id).update(created_at=at(-86_400))
    return service


@pytest.fixture
def service() -> Any:
    return old_service()


def test_an_outage_after_a_leap_ahead_is_told_at_once(service: Any) -> None:
    for seconds in range(0, 60, EVERY_S):
        check(seconds)
    for seconds in range(60, 90, EVERY_S):
        check(HOUR_S + seconds)

    check(90, "bad")
    assert status() == "nd", "what it was is not known: one failure confirms nothing"
    check(100, "bad")

    assert status() == "mo"
    assert Transition.objects.latest("id").edge_end_at == at(90)
    assert kinds(50, 110)[-20:] == [Kind.DOWN] * 20
    assert EngineCounter.objects.get(name="states_ahead").value == 1


def test_without_another_check_the_sweep_corrects_it(service: Any) -> None:
    for seconds in (0, 10, HOUR_S + 20):
        check(seconds)
    assert status() == "o"

    mark_silent(at(40))

    assert status() == "nd"
    state = ServiceState.objects.get()
    assert (state.run_first_at, state.run_last_at, state.run_count) == (at(0), at(10), 2)
    assert max(filter(None, (state.run_last_at, state.last_good_at, state.streak_first_at))) <= at(40)
    assert not CheckRun.objects.exists()


def test_a_stretch_that_passes_twice_is_what_was_measured_last(service: Any) -> None:
    for seconds in range(0, 300, EVERY_S):
        check(seconds)

    # The clock is set back by 180 s, and the target fails.
    mark_silent(at(115))
    check(120, "bad")
    check(130, "bad")
    assert status() == "mo"
    for seconds in range(140, 180, EVERY_S):
        check(seconds, "bad")
    check(180)

    assert status() == "o"
    assert kinds(100, 200)[:20] == [Kind.OPERATIONAL] * 20
    assert kinds(120, 180) == [Kind.DOWN] * 60
    assert kinds(205, 300) == [Kind.UNKNOWN] * 95, "nobody knows yet what will be then"
    for seconds in range(190, 310, EVERY_S):
        check(seconds)
    assert set(kinds(180, 300)) == {Kind.OPERATIONAL}
    assert WatchServerLog.objects.count() == 31, "one for each slot"


def test_rows_of_the_future_stay_and_say_nothing(service: Any) -> None:
    check(0)
    check(HOUR_S, "bad")

    check(10)

    row = WatchServerLog.objects.get(checked_at=at(HOUR_S))
    assert (row.verdict, row.metadata["ahead"]) == ("bad", True)
    assert not WatchServerLog.objects.speaking().filter(checked_at=at(HOUR_S)).exists()


def test_a_batch_that_comes_again_does_not_bring_them_back(service: Any) -> None:
    check(0)
    check(HOUR_S, "bad")
    check(10)

    assert check(10).duplicates == 1
    assert record([make_result(HOUR_S, "bad")], at(20)).ahead == 1


def test_a_confirmed_outage_goes_on_after_it(service: Any) -> None:
    for seconds in (0, 10):
        check(seconds, "bad")
    check(HOUR_S)
    assert status() == "o"

    check(20, "bad")

    assert status() == "mo"
    assert set(kinds(0, 30)) == {Kind.DOWN}


def test_regions_are_taken_back_as_well() -> None:
    old_service(regions=["a", "b"])
    for seconds in (0, 10):
        for region in "ab":
            check(seconds, region=region)
    for region in "ab":
        check(HOUR_S, "bad", region=region)

    check(20, region="a")

    assert status() == "o"
    assert {row.region: (row.verdict, row.checked_at) for row in RegionState.objects.all()} == {
        "a": ("ok", at(20)),
        "b": ("ok", at(10)),
    }


def test_a_few_seconds_ahead_are_no_reason(service: Any) -> None:
    check(0)
    ahead_s = AHEAD.total_seconds()

    refuse({service.id}, at(-ahead_s))
    with pytest.raises(StatesAhead, match="payments"):
        refuse({service.id}, at(-ahead_s - 0.001))
    assert correct({service.id}, at(-ahead_s)) == 0


def test_what_a_region_saw_in_the_future_is_forgotten() -> None:
    RegionSight.objects.create(region="a", answered_at=at(HOUR_S))
    RegionSight.objects.create(
        region="b", failing_since=at(HOUR_S), failed_at=at(HOUR_S), blind_since=at(HOUR_S), canaries="http://router/"
    )

    blindness.forget(at(0))

    assert RegionSight.objects.get(region="b").blind_since is None
    assert all(sight.answered_at is None or sight.answered_at <= at(0) for sight in RegionSight.objects.all())


def test_days_closed_too_soon_are_closed_again(service: Any) -> None:
    today = START.date()
    rollup_requests.plan(at(86_400 + 1000), START.tzinfo)
    UptimeRecord.objects.create(service=service, date=today, status="nd", is_settled=True, policy_id=1)

    assert rollup_requests.plan(at(HOUR_S), START.tzinfo) == 0

    assert not UptimeRecord.objects.get().is_settled
    assert RollupWatermark.objects.get().planned_until == today - timedelta(days=1)
    assert rollup_requests.plan(at(86_400 + 1000), START.tzinfo) == 0, "it was asked for already, and that still stands"


@pytest.mark.parametrize("seed", range(10))
def test_whatever_leaps_ahead_ends_in_what_was_true_or_in_nothing(seed: Any) -> None:
    """A clock leaps ahead and is set right, once or more; a twin is measured by one that is right all along."""
    random = Random(seed)
    for id in ("payments", "twin"):
        old_service(id, failure_threshold=1)
    ahead_s, failing, ends_at = [0] * 400, [False] * 400, 0
    for _ in range(random.choice([1, 1, 2])):
        leap, begin = EVERY_S * random.randint(2, 40), random.randrange(50, 350)
        for second in range(begin, min(400, begin + random.randint(10, 120))):
            ahead_s[second] = leap
            ends_at = max(ends_at, second + leap)
    for _ in range(3):
        begin = random.randrange(0, 380)
        failing[begin : begin + 60] = [True] * len(failing[begin : begin + 60])
    until = max(400, ends_at) + 100
    ahead_s += [0] * (until - 400)
    failing += [random.random() < 0.5] * (until - 400)

    for second in range(0, until, EVERY_S):
        verdict = "bad" if failing[second] else "ok"
        check(second, verdict, "twin")
        check(second + ahead_s[second], verdict)
        if second % 20 == 0:
            mark_silent(at(second + ahead_s[second] + 2))

    assert status() == status("twin")
    published, true = kinds(0, until), kinds(0, until, "twin")
    wrong = [
        second
        for second, kind in enumerate(published)
        if kind is not Kind.UNKNOWN and kind not in true[max(0, second - HOLD_S) : second + 1]
    ]
    assert not wrong, f"published otherwise than it was: {wrong}"
    assert Kind.UNKNOWN in published, "there was a leap"
