"""The accounting against known cases, against a second-by-second walk, and against what must always hold."""

import itertools
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes.model import Verdict
from monitoring.rules import sla
from monitoring.rules.sla import Canvas, Kind, Span, SpanKind, account, encode, figures, measured, seconds_by_kind
from monitoring.rules.state import Policy
from monitoring.rules.vectors import differences

FILE = Path(__file__).parent / "vectors" / "uptime.json"
VECTORS = json.loads(FILE.read_text())["vectors"]
POLICY = Policy()
HOLD_S = 5
LENGTH = 60

checks_strategy = st.lists(st.tuples(st.integers(-30, LENGTH + 30), st.sampled_from(list(Verdict))), max_size=40).map(
    lambda checks: sorted(((at, verdict, HOLD_S) for at, verdict in checks), key=lambda check: check[0])
)
span_strategy = st.builds(
    lambda kind, since, length, restated: Span(kind=kind, since=since, until=since + length, restated_as=restated),
    st.sampled_from(list(SpanKind)),
    st.integers(-10, LENGTH),
    st.integers(1, 30),
    st.sampled_from([Kind.OPERATIONAL, Kind.DOWN, Kind.UNKNOWN]),
)
spans_strategy = st.lists(span_strategy, max_size=5)
policy_strategy = st.builds(
    Policy,
    failure_threshold=st.integers(1, 3),
    recovery_threshold=st.integers(1, 3),
    partial_weight_percent=st.sampled_from([0, 33, 50, 100]),
    counts_maintenance=st.booleans(),
)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector: Any) -> None:
    assert differences(vector) == []


def test_the_command_agrees_and_shows_a_difference_readably(tmp_path: Path) -> None:
    said = StringIO()
    call_command("check_sla_vectors", FILE, stdout=said)
    assert said.getvalue() == f"{len(VECTORS)} vectors agree.\n"

    wrong = {**VECTORS[1], "expect": {**VECTORS[1]["expect"], "uptime": "100.00"}}
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({"vectors": [wrong]}))
    with pytest.raises(CommandError, match="1 of 1 vectors differ"):
        call_command("check_sla_vectors", file, stdout=said)
    assert "uptime: expected 100.00, found 94.44" in said.getvalue()


@pytest.mark.parametrize("content", ["", "[]", '{"vectors": 3}', '{"vectors": [{}]}'])
def test_the_command_refuses_other_files_in_words(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)

    with pytest.raises(CommandError):
        call_command("check_sla_vectors", file, stdout=StringIO())


def walk(checks: Any, spans: Any, policy: Any, created_at: Any) -> list[Kind]:
    """Say the kind of each second of [0, LENGTH), in the slowest and most obvious way."""
    last = {at: verdict for at, verdict, _hold in checks}
    times = sorted(last)
    is_down, streak, kind_of = False, list[Any](), dict[Any, Any]()
    for index, at in enumerate(times):
        if index and at - times[index - 1] > HOLD_S:
            streak = []
        if (last[at] is Verdict.BAD) is is_down:
            streak = []
        else:
            streak.append(at)
        kind_of[at] = Kind.DOWN if is_down else None
        if len(streak) >= (policy.recovery_threshold if is_down else policy.failure_threshold):
            is_down = not is_down
            kind_of.update(dict.fromkeys(streak, Kind.DOWN if is_down else None))
            streak = []
    seconds = []
    for second in range(LENGTH):
        before = [at for at in times if at <= second]
        kind = Kind.UNKNOWN
        if before and second - before[-1] < HOLD_S:
            plain = Kind.PARTIAL if last[before[-1]] is Verdict.SLOW else Kind.OPERATIONAL
            kind = kind_of[before[-1]] or plain
        for span_kind in SpanKind:
            for span in spans:
                if span.kind is span_kind and span.since <= second < span.until:
                    if span_kind is SpanKind.RESTATED:
                        kind = span.restated_as
                    elif span_kind is SpanKind.BLIND:
                        kind = Kind.UNKNOWN
                    elif span_kind is SpanKind.PAUSED:
                        kind = Kind.PAUSED
                    elif not policy.counts_maintenance:
                        kind = Kind.MAINTENANCE
        seconds.append(Kind.EMPTY if second < created_at else kind)
    return seconds


@given(checks_strategy, spans_strategy, policy_strategy, st.integers(-5, 70))
def test_every_second_is_what_a_slow_walk_says(checks: Any, spans: Any, policy: Any, created_at: Any) -> None:
    intervals = account(encode(checks), spans, policy, window=(0, LENGTH), created_at=created_at)

    found = [interval.kind for interval in intervals for _ in range(interval.seconds)]
    assert found == walk(checks, spans, policy, created_at)


@given(checks_strategy, spans_strategy, policy_strategy, st.integers(0, LENGTH))
def test_parts_sum_to_the_window_and_split_windows_add_up(checks: Any, spans: Any, policy: Any, middle: Any) -> None:
    def seconds(start: Any, end: Any) -> Any:
        return seconds_by_kind(account(encode(checks), spans, policy, window=(start, end), created_at=3))

    whole, left, right = seconds(0, LENGTH), seconds(0, middle), seconds(middle, LENGTH)

    assert sum(whole.values()) == LENGTH
    assert whole == {kind: left[kind] + right[kind] for kind in Kind}


@given(st.lists(st.integers(0, 10**7), min_size=len(Kind), max_size=len(Kind)), policy_strategy)
def test_figures_lie_in_order(values: Any, policy: Any) -> None:
    seconds = dict(zip(Kind, values, strict=True))

    found = figures(seconds, policy)

    if found.lower is not None:
        assert 0 <= found.lower <= found.upper <= 10_000
        assert 0 <= found.coverage <= 10_000
    if found.uptime is not None:
        assert found.lower <= found.uptime <= found.upper
    if found.uptime == 10_000:
        assert seconds[Kind.DOWN] == 0


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(-5, 25), st.integers(-5, 25)), max_size=12))
def test_later_paint_covers_earlier(strokes: Any) -> None:
    canvas, plain = Canvas(0, 20), [Kind.UNKNOWN] * 20
    for kind, start, end in strokes:
        canvas.paint(kind, start, end)
        plain = [kind if start <= second < end else old for second, old in enumerate(plain)]

    assert [interval.kind for interval in canvas.intervals() for _ in range(interval.seconds)] == plain
    assert all(
        a.kind is not b.kind and a.end == b.start
        for a, b in zip(canvas.intervals(), canvas.intervals()[1:], strict=False)
    )


@given(checks_strategy, policy_strategy)
def test_what_was_measured_never_overlaps(checks: Any, policy: Any) -> None:
    intervals = list(measured(encode(checks), policy))

    assert all(a.end <= b.start for a, b in itertools.pairwise(intervals))


def test_one_second_in_ninety_days_is_not_a_hundred_percent() -> None:
    seconds = dict.fromkeys(Kind, 0) | {Kind.OPERATIONAL: 90 * 86_400 - 1, Kind.DOWN: 1}

    assert sla.percentage(figures(seconds, POLICY).uptime) == "99.99"


def test_no_data_is_no_figure() -> None:
    assert figures(dict.fromkeys(Kind, 0), POLICY).uptime is None


def test_an_empty_window_has_no_intervals() -> None:
    assert account([], [], POLICY, window=(10, 10), created_at=0) == []
