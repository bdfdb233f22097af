"""The bounds of downtime: against cases, against worlds that could have given the checks, and what must always hold."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.probes.model import Verdict
from monitoring.rules import edges, sla
from monitoring.rules.edges import Bounded, Bounds
from monitoring.rules.sla import Kind, Span, SpanKind
from monitoring.rules.state import Policy
from monitoring.rules.tests.test_sla import LENGTH, POLICY, checks_strategy, policy_strategy, spans_strategy

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
OK, BAD = Verdict.OK, Verdict.BAD
DAY_S = 86_400


def bounded(checks: Any, spans: Any = (), policy: Any = POLICY, window: Any = (0, LENGTH)) -> Any:
    stretches = sla.encode(checks)
    found = edges.apart_from(
        edges.edges(stretches, policy, window), [span for span in spans if span.kind is SpanKind.RESTATED]
    )
    intervals = sla.account(stretches, spans, policy, window=window, created_at=window[0])
    return intervals, Bounded(intervals, found)


def down_of(intervals: Any) -> int:
    return sum(interval.seconds for interval in intervals if interval.kind is Kind.DOWN)


def test_two_failures_of_a_daily_check_are_a_day_of_which_five_seconds_are_certain() -> None:
    hold_s = 216_000
    checks = [(0, OK, hold_s), (DAY_S, BAD, hold_s), (DAY_S + 5, BAD, hold_s), (2 * DAY_S, OK, hold_s)]

    intervals, found = bounded(checks, window=(0, 3 * DAY_S))

    assert down_of(intervals) == DAY_S
    assert found.whole() == found.of(intervals[1]) == Bounds(5, 2 * DAY_S)


@pytest.mark.parametrize(
    ("name", "checks", "policy", "bounds"),
    [
        ("one bad check", [(0, OK, 30), (10, BAD, 30), (20, OK, 30)], Policy(failure_threshold=1), Bounds(0, 20)),
        ("a gap before", [(0, OK, 5), (20, BAD, 9), (25, BAD, 9), (30, OK, 30)], POLICY, Bounds(5, 10)),
        ("a gap after", [(0, OK, 30), (10, BAD, 9), (15, BAD, 9), (50, OK, 30)], POLICY, Bounds(5, 24)),
        ("a gap within", [(0, OK, 30), (10, BAD, 9), (15, BAD, 9), (40, BAD, 9), (45, OK, 9)], POLICY, Bounds(5, 29)),
        (
            "good once between bad ones",
            [(0, OK, 30), (10, BAD, 30), (20, OK, 30), (30, BAD, 30), (40, OK, 30), (50, OK, 30)],
            Policy(failure_threshold=1, recovery_threshold=2),
            Bounds(20, 40),
        ),
        ("just after the window", [(50, OK, 99), (70, BAD, 99), (80, BAD, 99)], POLICY, Bounds(0, 10)),
        (
            "begun before the window",
            [(-20, OK, 99), (-10, BAD, 99), (10, BAD, 99), (20, OK, 99)],
            POLICY,
            Bounds(10, 20),
        ),
    ],
)
def test_cases(name: Any, checks: Any, policy: Any, bounds: Any) -> None:
    assert bounded(checks, policy=policy)[1].whole() == bounds


def test_what_was_restated_has_no_edges() -> None:
    checks = [(0, OK, 30), (10, BAD, 30), (20, BAD, 30), (30, OK, 30)]
    restated = Span(kind=SpanKind.RESTATED, since=0, until=25, restated_as=Kind.DOWN)

    intervals, found = bounded(checks, [restated])

    assert down_of(intervals) == 30
    assert found.whole() == Bounds(25, 30)


def test_maintenance_hides_the_edge_that_lies_in_it() -> None:
    checks = [(0, OK, 30), (10, BAD, 30), (20, BAD, 30), (30, OK, 30)]

    intervals, found = bounded(checks, [Span(kind=SpanKind.MAINTENANCE, since=2, until=12)])

    assert (down_of(intervals), found.whole()) == (18, Bounds(8, 20))


@PATIENT
@given(checks_strategy, spans_strategy, policy_strategy)
def test_least_is_no_more_than_published_and_that_no_more_than_most(checks: Any, spans: Any, policy: Any) -> None:
    intervals, found = bounded(checks, spans, policy)

    down = [interval for interval in intervals if interval.kind is Kind.DOWN]
    for interval in down:
        one = found.of(interval)
        assert 0 <= one.at_least_s <= interval.seconds <= one.at_most_s <= LENGTH
    whole = found.whole()
    assert sum(found.of(interval).at_least_s for interval in down) == whole.at_least_s
    assert whole.at_least_s <= down_of(intervals) <= whole.at_most_s <= LENGTH


@PATIENT
@given(checks_strategy, spans_strategy, policy_strategy, st.integers(0, LENGTH))
def test_bounds_of_split_windows_add_up(checks: Any, spans: Any, policy: Any, middle: Any) -> None:
    def bounds(start: Any, end: Any) -> Any:
        return bounded(checks, spans, policy, (start, end))[1].whole()

    # `bounded` makes the service begin where the window does, so the parts are windows of the same service.
    assert [a + b for a, b in zip(bounds(0, middle), bounds(middle, LENGTH), strict=True)] == list(bounds(0, LENGTH))


@PATIENT
@given(st.data())
def test_any_world_that_gives_these_checks_lies_between_the_bounds(data: Any) -> None:
    """Between two checks a world changes once if they differ, and not if they agree: so nobody looks away."""
    times = sorted(data.draw(st.sets(st.integers(0, LENGTH), min_size=2, max_size=20)) | {0, LENGTH})
    verdicts = [data.draw(st.sampled_from([OK, BAD])) for _at in times]
    world = []
    for (start, is_up), (end, is_up_then) in zip(
        (pairs := list(zip(times, (verdict is OK for verdict in verdicts), strict=True)))[:-1], pairs[1:], strict=True
    ):
        changes_at = data.draw(st.integers(start, end)) if is_up != is_up_then else end
        world += [is_up] * (changes_at - start) + [is_up_then] * (end - changes_at)
    checks = [(at, verdict, LENGTH) for at, verdict in zip(times, verdicts, strict=True)]

    _intervals, found = bounded(checks, policy=Policy(failure_threshold=1))

    whole = found.whole()
    assert whole.at_least_s <= world.count(False) <= whole.at_most_s
