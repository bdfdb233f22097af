"""Entries in time and late ones: compared with cases, and with a second-by-second computation."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.rules import notice, sla
from monitoring.rules.notice import Late
from monitoring.rules.sla import Kind, Span, SpanKind
from monitoring.rules.state import Policy
from monitoring.rules.vectors import differences

VECTORS = json.loads((Path(__file__).parent / "vectors" / "restated.json").read_text())["vectors"]
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
LENGTH = 40
RESTATES, COUNTS = Policy(), Policy(counts_late=True)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector: Any) -> None:
    assert differences(vector) == []


def window(since: Any, until: Any, entered: Any = None, replaced: Any = None, kind: Any = SpanKind.MAINTENANCE) -> Span:
    return Span(kind=kind, since=since, until=until, entered=entered, replaced=replaced)


def late_of(spans: Any, policy: Any = RESTATES) -> list[tuple[int, int, bool]]:
    return [(each.since, each.until, each.is_withdrawn) for each in notice.late(spans, policy, (0, 1000))]


def test_only_the_part_that_was_over_is_late() -> None:
    assert late_of([window(10, 20, entered=14)]) == [(10, 14, False)]
    assert late_of([window(10, 20, entered=10)]) == late_of([window(10, 20)]) == []


def test_an_open_window_that_is_ended_now_is_not_late() -> None:
    assert late_of([window(10, 100, entered=10, replaced=30), window(10, 30, entered=30)]) == []


def test_to_shorten_a_window_afterwards_takes_back_what_was_said() -> None:
    assert late_of([window(10, 20, entered=5, replaced=25), window(10, 15, entered=25)]) == [(15, 20, True)]


def test_to_move_the_beginning_back_is_late() -> None:
    assert late_of([window(10, 20, entered=5, replaced=25), window(4, 20, entered=25)]) == [(4, 10, False)]


def test_a_late_stretch_is_of_who_said_it_first() -> None:
    first, second = window(10, 20, entered=30, replaced=40), window(10, 25, entered=40)

    assert notice.late([second, first], RESTATES, (0, 100)) == [
        Late(first, 10, 20, is_withdrawn=False),
        Late(second, 20, 25, is_withdrawn=False),
    ]


def test_with_notice_a_window_counts_only_when_it_was_entered_so_long_before_it_begins() -> None:
    day = Policy(maintenance_notice_s=100)

    assert late_of([window(200, 300, entered=100)], day) == []
    assert late_of([window(200, 500, entered=101)], day) == [(200, 500, False)]
    # To make an announced window longer leaves its announced part announced.
    longer = [window(200, 300, entered=50, replaced=250), window(200, 350, entered=250)]
    assert late_of(longer, day) == [(300, 350, False)]
    # Pauses are announced to nobody.
    assert late_of([window(200, 300, entered=200, kind=SpanKind.PAUSED)], day) == []


def test_where_maintenance_counts_as_measured_nothing_of_it_is_late() -> None:
    assert late_of([window(10, 20, entered=30)], Policy(counts_maintenance=True)) == []


seconds = st.integers(0, LENGTH)
entries = st.builds(
    lambda kind, since, length, entered, lasted: window(
        since, since + length, entered, None if lasted is None or entered is None else entered + lasted, kind
    ),
    st.sampled_from([SpanKind.MAINTENANCE, SpanKind.PAUSED, SpanKind.BLIND]),
    seconds,
    st.integers(1, 20),
    st.none() | seconds,
    st.none() | st.integers(1, 20),
)
policies = st.builds(Policy, maintenance_notice_s=st.sampled_from([0, 3, 10]), counts_late=st.booleans())


def walk(spans: Any, policy: Any, kind: Any, second: Any) -> tuple[bool, bool]:
    """Say in the slowest way whether a second was said in time to be of a kind, and whether it stands so now."""
    ours = [span for span in spans if span.kind is kind and span.since <= second < span.until]

    def stood_at(span: Any, instant: Any) -> bool:
        return (span.entered is None or span.entered <= instant) and (span.replaced is None or instant < span.replaced)

    said = any(stood_at(span, second) for span in ours)
    if kind is SpanKind.MAINTENANCE and policy.maintenance_notice_s:
        said = said and any(stood_at(span, span.since - policy.maintenance_notice_s) for span in ours)
    return said, any(span.replaced is None for span in ours)


@PATIENT
@given(st.lists(entries, max_size=5), policies)
def test_every_second_is_what_a_slow_walk_says(spans: Any, policy: Any) -> None:
    found = notice.late(spans, policy, (0, LENGTH))
    for kind in notice.SAID_BY_PEOPLE:
        for second in range(LENGTH):
            said, stands = walk(spans, policy, kind, second)
            assert covers(notice.in_time(spans, policy), kind, second) is said
            assert covers(notice.published(spans, policy), kind, second) is (said if policy.counts_late else stands)
            late = [each for each in found if each.span.kind is kind and each.since <= second < each.until]
            assert [each.is_withdrawn for each in late] == ([said] if said is not stands else [])
    assert [span for span in notice.in_time(spans, policy) if span.kind is SpanKind.BLIND] == [
        span for span in spans if span.kind is SpanKind.BLIND
    ]


def covers(spans: Any, kind: Any, second: Any) -> bool:
    return any(span.kind is kind and span.since <= second < span.until for span in spans)


@PATIENT
@given(st.lists(entries, max_size=5), policies)
def test_the_two_readings_differ_only_where_something_was_said_late(spans: Any, policy: Any) -> None:
    def kinds(read: Any) -> list[Kind]:
        intervals = sla.account([], read, policy, window=(0, LENGTH), created_at=0)
        return [interval.kind for interval in intervals for _second in range(interval.seconds)]

    pairs = zip(kinds(notice.published(spans, policy)), kinds(notice.in_time(spans, policy)), strict=True)
    differing = {second for second, (published, said) in enumerate(pairs) if published is not said}
    late = {second for each in notice.late(spans, policy, (0, LENGTH)) for second in range(each.since, each.until)}
    assert differing <= (set() if policy.counts_late else late)
