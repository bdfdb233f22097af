from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.probes.model import Verdict
from monitoring.rules.regions import fold_verdicts
from monitoring.rules.state import Cause, Check, Policy, State, Status, Step, advance, fall_silent

START = datetime(2025, 3, 10, tzinfo=UTC)
DEFAULT = Policy()
OK, SLOW, BAD = Verdict.OK, Verdict.SLOW, Verdict.BAD


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def check(seconds: float, verdict: Verdict) -> Check:
    return Check(at=at(seconds), verdict=verdict, interval_ms=60_000, timeout_ms=5_000, hold_s=150)


def walk(*checks: tuple[float, Verdict], policy: Policy = DEFAULT) -> list[Step]:
    steps, state = [], State()
    for seconds, verdict in checks:
        steps.append(advance(state, check(seconds, verdict), policy))
        state = steps[-1].state
    return steps


def statuses(*checks: tuple[float, Verdict], policy: Policy = DEFAULT) -> str:
    return " ".join(step.state.status for step in walk(*checks, policy=policy))


def test_the_first_good_check_makes_a_service_operational() -> None:
    (change,) = walk((0, OK))[0].changes

    assert (change.from_status, change.to_status, change.cause) == (Status.UNKNOWN, Status.OPERATIONAL, Cause.MEASURED)
    assert (change.edge_start_at, change.edge_end_at) == (None, at(0))


def test_a_single_failure_changes_nothing_but_asks_for_a_recheck() -> None:
    step = walk((0, OK), (60, BAD))[1]

    assert step.changes == ()
    assert step.state.status is Status.OPERATIONAL
    assert step.state.recheck_at == at(65)


def test_the_second_failure_in_a_row_is_an_outage_since_the_first() -> None:
    step = walk((0, OK), (60, BAD), (65, BAD))[2]

    assert (step.changes[0].to_status, step.changes[0].cause) == (Status.DOWN, Cause.FAILED)
    assert (step.changes[0].edge_start_at, step.changes[0].edge_end_at) == (at(0), at(60))
    assert step.state.recheck_at is None


def test_the_first_good_check_ends_an_outage() -> None:
    step = walk((0, OK), (60, BAD), (65, BAD), (120, OK))[3]

    assert (step.changes[0].to_status, step.changes[0].cause) == (Status.OPERATIONAL, Cause.RECOVERED)
    assert (step.changes[0].edge_start_at, step.changes[0].edge_end_at) == (at(65), at(120))


@pytest.mark.parametrize(
    ("why", "checks", "expected"),
    [
        ("failures with a good check between never add up", [(0, OK), (60, BAD), (120, OK), (180, BAD)], "o o o o"),
        ("a gap restarts the count", [(0, OK), (60, BAD), (600, BAD), (660, BAD)], "o o o mo"),
        ("what was down before a gap is down after it", [(0, BAD), (60, BAD), (600, BAD)], "nd mo mo"),
        ("an unmeasured service is not called operational for a failure", [(0, BAD)], "nd"),
        ("slow is partial, check by check", [(0, OK), (60, SLOW), (120, OK)], "o po o"),
        ("a slow check ends an outage", [(0, BAD), (60, BAD), (120, SLOW)], "nd mo po"),
        ("a gap of exactly the hold is none", [(0, BAD), (150, BAD)], "nd mo"),
        ("a second more is one", [(0, BAD), (151, BAD)], "nd nd"),
    ],
)
def test_status_after_each_check(why: Any, checks: Any, expected: Any) -> None:
    assert statuses(*checks) == expected, why


def test_recovery_must_hold_as_long_as_the_policy_asks() -> None:
    policy = Policy(recovery_threshold=2)

    assert statuses((0, BAD), (60, BAD), (120, OK), (180, BAD), (240, OK), (300, OK), policy=policy) == (
        "nd mo mo mo mo o"
    )


def test_equal_verdicts_without_a_gap_are_one_run() -> None:
    steps = walk((0, OK), (60, OK), (120, BAD), (125, OK), (1000, OK))

    closed = [step.closed_run for step in steps if step.closed_run]
    assert [(run.verdict, run.first_at, run.last_at, run.check_count) for run in closed] == [
        (OK, at(0), at(60), 2),
        (BAD, at(120), at(120), 1),
        (OK, at(125), at(125), 1),
    ]
    assert steps[-1].state.run.hold_s == 150


def test_an_older_check_is_refused() -> None:
    state = walk((60, OK))[0].state

    with pytest.raises(ValueError, match="does not follow the newest"):
        advance(state, check(0, BAD), Policy())


def test_a_service_goes_silent_after_its_hold_and_timeout() -> None:
    state = walk((0, OK))[0].state

    assert fall_silent(state, at(154)).changes == ()
    step = fall_silent(state, at(155))

    assert (step.changes[0].to_status, step.changes[0].cause, step.changes[0].edge_end_at) == (
        Status.UNKNOWN,
        Cause.SILENT,
        at(150),
    )
    assert fall_silent(step.state, at(156)).changes == ()


def test_a_service_that_was_down_is_down_again_after_silence() -> None:
    silent = fall_silent(walk((0, BAD), (60, BAD))[1].state, at(1000)).state

    step = advance(silent, check(1020, BAD), Policy())

    (change,) = step.changes
    assert (change.from_status, change.to_status, change.cause) == ("nd", "mo", Cause.MEASURED)


@pytest.mark.parametrize(("interval_ms", "hold_s"), [(1000, 3), (5000, 13), (60_000, 150), (1200, 3)])
def test_hold_is_rounded_up_to_whole_seconds(interval_ms: Any, hold_s: Any) -> None:
    assert Policy().hold_s(interval_ms) == hold_s


def test_a_short_interval_needs_no_recheck() -> None:
    step = advance(State(), Check(at=START, verdict=BAD, interval_ms=5000, timeout_ms=100, hold_s=13), Policy())

    assert step.state.recheck_at is None


@pytest.mark.parametrize(
    ("verdicts", "quorum", "folded"),
    [
        ([OK, OK, OK], 2, OK),
        ([OK, OK, BAD], 2, SLOW),
        ([OK, SLOW, OK], 2, SLOW),
        ([BAD, OK, BAD], 2, BAD),
        ([BAD], 2, BAD),
    ],
)
def test_regions_fold_by_quorum(verdicts: Any, quorum: Any, folded: Any) -> None:
    assert fold_verdicts(verdicts, quorum) is folded
