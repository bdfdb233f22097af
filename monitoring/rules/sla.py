"""Compute time by kind from runs, spans and a policy, and figures from that. Pure; all figures come from here.

A window is split into intervals of exactly one kind, so the parts sum to the window. All instants here are Unix
seconds, floored, and all arithmetic uses integers: nothing is ever rounded up. docs/sla.md has the rules with examples.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from monitoring.probes.model import Verdict
from monitoring.rules.state import Policy


class Kind(StrEnum):
    """The kind of time: how a stretch of it is accounted."""

    OPERATIONAL = "operational"
    PARTIAL = "partial"
    DOWN = "down"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"
    PAUSED = "paused"
    EMPTY = "empty"  # before the service existed


class SpanKind(StrEnum):
    """Why a stretch is not accounted as measured; where kinds overlap, the later one in this list wins."""

    BLIND = "blind"  # our own network failed: unknown, regardless of checks
    MAINTENANCE = "maintenance"
    PAUSED = "paused"
    RESTATED = "restated"


class Stretch(NamedTuple):
    """A run in whole seconds: checks with one verdict, each within the hold of the previous one."""

    verdict: Verdict
    first: int
    last: int
    check_count: int
    hold_s: int  # for how long each check counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open stretch [since, until) that is not accounted as measured."""

    kind: SpanKind
    since: int
    until: int
    restated_as: Kind | None = None  # for the kind `RESTATED`; of several, the later in the sequence wins
    # For entries by people (`monitoring/rules/notice.py`):
    entered: int | None = None  # when; None: in time
    replaced: int | None = None  # when another entry replaced it; None: it is in force
    row: int | None = None  # the id of its row


class Interval(NamedTuple):
    """A half-open stretch [start, end) of one kind."""

    kind: Kind
    start: int
    end: int

    @property
    def seconds(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Percentages in whole hundredths, floored (9_998 is 99.98 %); None if there is nothing to divide by."""

    uptime: int | None
    coverage: int | None  # measured share of the time that should have been measured
    lower: int | None  # uptime with the unknown time taken as down,
    upper: int | None  # and as up


def encode(checks: Iterable[tuple[int, Verdict, int]]) -> list[Stretch]:
    """Run-length encode (second, verdict, hold in seconds) in order of time; of several in one second the last wins."""
    stretches: list[Stretch] = []
    verdict, first, last, count, hold = None, 0, 0, 0, 0
    for at, new_verdict, new_hold in _last_of_each_second(checks):
        if new_verdict is verdict and new_hold == hold and at - last <= hold:
            last, count = at, count + 1
            continue
        if verdict is not None:
            stretches.append(Stretch(verdict, first, last, count, hold))
        verdict, first, last, count, hold = new_verdict, at, at, 1, new_hold
    if verdict is not None:
        stretches.append(Stretch(verdict, first, last, count, hold))
    return stretches


def account(
    stretches: Sequence[Stretch], spans: Sequence[Span], policy: Policy, *, window: tuple[int, int], created_at: int
) -> list[Interval]:
    """Split the window [start, end) into intervals of one kind each, in order of time; neighbours differ in kind.

    `stretches` must reach back to the run that decides the state at the start of the window, and forward to the one
    that settles the run open at its end. The result is empty if the window is.
    """
    start, end = window
    if start >= end:
        return []
    canvas = Canvas(start, end)
    for interval in measured(stretches, policy):
        canvas.paint(interval.kind, interval.start, interval.end)
    for kind in SpanKind:
        if kind is SpanKind.MAINTENANCE and policy.counts_maintenance:
            continue
        for span in spans:
            if span.kind is kind:
                canvas.paint(_painted(span), span.since, span.until)
    canvas.paint(Kind.EMPTY, start, created_at)
    return canvas.intervals()


def measured(stretches: Sequence[Stretch], policy: Policy) -> Iterator[Interval]:
    """Yield the intervals according to the checks, in order of time; time without a check yields none.

    `failure_threshold` consecutive bad checks make a service down, from the first of them on; `recovery_threshold`
    consecutive other checks end that, from the first of them on. A gap restarts the count and keeps the state.
    """
    kinds = counted_as(stretches, policy)
    for index, stretch in enumerate(stretches):
        if (end := end_of(stretches, index)) > stretch.first:
            yield Interval(kinds[index], stretch.first, end)


def end_of(stretches: Sequence[Stretch], index: int) -> int:
    """Return until when a run counts: until the next one, but no longer than the hold of its last check."""
    silent_at = stretches[index].last + stretches[index].hold_s
    return min(silent_at, stretches[index + 1].first) if index + 1 < len(stretches) else silent_at


def is_settled(stretches: Sequence[Stretch], policy: Policy, end: int, now: int) -> bool:
    """Return whether no later check can change the time before `end`, that is, no run across it is unconfirmed.

    Late checks are not considered; when one arrives, its day is accounted again.
    """
    if not stretches or stretches[0].first >= end:
        return True
    newest = max(stretches, key=lambda stretch: stretch.last)
    if newest.last + newest.hold_s < now:
        return True  # the next check comes after a gap, which restarts every count
    if newest.last < end:
        return False
    before = sum(stretch.first < end for stretch in stretches)
    # The two futures with the greatest effect: only failures from the next second on, and no failure.
    futures = (Stretch(v, newest.last + 1, newest.last + 1, 1_000, newest.hold_s) for v in (Verdict.BAD, Verdict.OK))
    bad, good = (counted_as([*stretches, future], policy)[:before] for future in futures)
    return bad == good


def seconds_by_kind(intervals: Iterable[Interval]) -> dict[Kind, int]:
    """Return the sum of seconds of each kind; every kind has a key."""
    seconds = dict.fromkeys(Kind, 0)
    for interval in intervals:
        seconds[interval.kind] += interval.end - interval.start
    return seconds


def figures(seconds: dict[Kind, int], policy: Policy) -> Figures:
    """Return the figures, floored to hundredths of a percent. Paused, maintenance and empty time is left out.

    uptime = (operational + w·partial) / (operational + partial + down); 100 % only with no down second.
    """
    return figures_of_parts([(seconds, policy)])


def figures_of_parts(parts: Iterable[tuple[dict[Kind, int], Policy]]) -> Figures:
    """Return the figures of several stretches together, each accounted under its own rules, from summed seconds."""
    up, measured_s, unknown_s = 0, 0, 0  # the first in hundredths of a second
    for seconds, policy in parts:
        up += 100 * seconds[Kind.OPERATIONAL] + policy.partial_weight_percent * seconds[Kind.PARTIAL]
        measured_s += seconds[Kind.OPERATIONAL] + seconds[Kind.PARTIAL] + seconds[Kind.DOWN]
        unknown_s += seconds[Kind.UNKNOWN]
    due_s = measured_s + unknown_s
    return Figures(
        uptime=_hundredths(up, 100 * measured_s),
        coverage=_hundredths(measured_s, due_s),
        lower=_hundredths(up, 100 * due_s),
        upper=_hundredths(up + 100 * unknown_s, 100 * due_s),
    )


def percentage(hundredths: int | None) -> str | None:
    """Format a figure with two decimals: 9998 → 99.98."""
    return None if hundredths is None else f"{hundredths // 100}.{hundredths % 100:02}"


class Canvas:
    """A window to paint with kinds; later paint covers earlier paint, and unpainted time is unknown."""

    def __init__(self, start: int, end: int) -> None:
        self._end = end
        self._starts = [start]  # where each kind begins, in order
        self._kinds = [Kind.UNKNOWN]

    def paint(self, kind: Kind, start: int, end: int) -> None:
        """Paint the part of [start, end) in the window with a kind."""
        start, end = max(start, self._starts[0]), min(end, self._end)
        if start >= end:
            return
        left = bisect_left(self._starts, start)
        right = bisect_right(self._starts, end)
        after = self._kinds[right - 1]
        resumes = end < self._end and self._starts[right - 1] != end
        keeps = right - 1 if right and self._starts[right - 1] == end else right
        self._starts[left:keeps] = [start, end] if resumes else [start]
        self._kinds[left:keeps] = [kind, after] if resumes else [kind]

    def intervals(self) -> list[Interval]:
        """Return the intervals, neighbours of one kind joined."""
        found: list[Interval] = []
        for kind, start, end in zip(self._kinds, self._starts, [*self._starts[1:], self._end], strict=True):
            if found and found[-1].kind is kind:
                found[-1] = Interval(kind, found[-1].start, end)
            else:
                found.append(Interval(kind, start, end))
        return found


class Standing(NamedTuple):
    """The confirmed state after some runs, and the runs at their end that contradict it."""

    is_down: bool
    pending: int  # number of runs at the end that contradict the state
    streak: int  # number of checks in those runs


def standing(stretches: Sequence[Stretch], policy: Policy) -> Standing:
    """Return the confirmed state after the last run; the runs must reach back to one that decides the state."""
    return _decide(stretches, policy)[1]


def counted_as(stretches: Sequence[Stretch], policy: Policy) -> list[Kind]:
    """Return the kind of each run; the runs must reach back to one that decides the state."""
    return _decide(stretches, policy)[0]


def _decide(stretches: Sequence[Stretch], policy: Policy) -> tuple[list[Kind], Standing]:
    """Run a state machine over runs; the kind of a run is open until a change is confirmed."""
    found: list[Kind] = []
    is_down = False
    pending, streak = 0, 0  # the runs at the end of `found` that contradict the state, and their checks
    previous: Stretch | None = None
    for stretch in stretches:
        is_bad = stretch.verdict is Verdict.BAD
        if previous is not None and stretch.first - previous.last > previous.hold_s:
            pending, streak = 0, 0
        if is_bad is is_down:
            pending, streak = 0, 0
        else:
            pending, streak = pending + 1, streak + stretch.check_count
        found.append(_unconfirmed(stretch, is_down))
        if streak >= (policy.recovery_threshold if is_down else policy.failure_threshold):
            is_down = not is_down
            for index in range(len(found) - pending, len(found)):
                found[index] = _unconfirmed(stretches[index], is_down)
            pending, streak = 0, 0
        previous = stretch
    return found, Standing(is_down, pending, streak)


def _unconfirmed(stretch: Stretch, is_down: bool) -> Kind:
    """Return the kind of a run that does not change the confirmed state."""
    if is_down:
        return Kind.DOWN
    return Kind.PARTIAL if stretch.verdict is Verdict.SLOW else Kind.OPERATIONAL


def _last_of_each_second(checks: Iterable[tuple[int, Verdict, int]]) -> Iterator[tuple[int, Verdict, int]]:
    held = None
    for check in checks:
        if held is not None and check[0] != held[0]:
            yield held
        held = check
    if held is not None:
        yield held


def _painted(span: Span) -> Kind:
    if span.kind is SpanKind.RESTATED:
        if span.restated_as is None:
            raise ValueError("a restated span needs a kind")
        return span.restated_as
    return {
        SpanKind.BLIND: Kind.UNKNOWN,
        SpanKind.MAINTENANCE: Kind.MAINTENANCE,
        SpanKind.PAUSED: Kind.PAUSED,
    }[span.kind]


def _hundredths(part: int, whole: int) -> int | None:
    return part * 10_000 // whole if whole else None
