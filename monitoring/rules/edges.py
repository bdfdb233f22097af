"""Compute the bounds of downtime. Pure.

The edge of an outage is an interval, not an instant: the outage began between the last good check and the first bad
one, and ended between the last bad check and the first good one. The published downtime runs from the first bad check
to the first good one. At least the time between the first and the last bad check was down, and at most the time between
the good checks around them. Time after the hold of a check has run out is unknown, and not counted here.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from monitoring.probes.model import Verdict
from monitoring.rules import sla
from monitoring.rules.sla import Interval, Kind, Span, Stretch
from monitoring.rules.state import Policy
from monitoring.rules.time_sets import Stretches, joined, seconds_in, shared, without


class Edges(NamedTuple):
    """The time at the edges of outages in which a service may have been up or down."""

    before: Stretches  # from the last good check to the first bad one: counted as up
    after: Stretches  # from the last bad check on: counted as down


class Bounds(NamedTuple):
    """The lowest and the highest possible downtime, in seconds."""

    at_least_s: int
    at_most_s: int


def edges(stretches: Sequence[Stretch], policy: Policy, window: tuple[int, int]) -> Edges:
    """Return the edges of all outages, as far as they are in a window [start, end)."""
    kinds = sla.counted_as(stretches, policy)
    before = [
        (stretches[index - 1].last, stretches[index].first)
        for index in range(1, len(stretches))
        if kinds[index] is Kind.DOWN and kinds[index - 1] is not Kind.DOWN and _follows(stretches, index)
    ]
    return Edges(shared(joined(before), [window]), shared(joined(_after(stretches, kinds)), [window]))


def together(parts: Iterable[Edges]) -> Edges:
    """Combine the edges of consecutive windows."""
    found = list(parts)
    return Edges(
        joined(each for part in found for each in part.before), joined(each for part in found for each in part.after)
    )


def apart_from(found: Edges, restated: Collection[Span]) -> Edges:
    """Remove restated time from edges, as it does not depend on checks."""
    said = joined((span.since, span.until) for span in restated)
    return Edges(without(found.before, said), without(found.after, said))


class Bounded:
    """The intervals of a window with their edges, which determine the bounds of their downtime."""

    def __init__(self, intervals: Sequence[Interval], found: Edges) -> None:
        self._found = found
        self._down = _of(intervals, Kind.DOWN)
        self._up = _of(intervals, Kind.OPERATIONAL, Kind.PARTIAL)
        self._leading = {end: seconds_in(self._up, start, end) for start, end in found.before}

    def of(self, interval: Interval) -> Bounds:
        """Return the bounds of one down interval; time before it counts if it is accounted as up."""
        doubtful_s = seconds_in(self._found.after, interval.start, interval.end)
        return Bounds(interval.seconds - doubtful_s, interval.seconds + self._leading.get(interval.start, 0))

    def whole(self) -> Bounds:
        """Return the bounds of the window's downtime, including the edge of an outage that began just after it."""
        return Bounds(
            _seconds(without(self._down, self._found.after)), _seconds(self._down) + sum(self._leading.values())
        )


def _after(stretches: Sequence[Stretch], kinds: Sequence[Kind]) -> Iterable[tuple[int, int]]:
    """Yield the time from the last bad check of each outage to the end of its downtime, the last outage first."""
    is_bad_ahead = False  # the outage continues without a gap to another bad check
    for index in reversed(range(len(stretches))):
        stretch = stretches[index]
        is_bad_ahead = is_bad_ahead and _follows(stretches, index + 1)
        if kinds[index] is not Kind.DOWN:
            is_bad_ahead = False
            continue
        is_bad = stretch.verdict is Verdict.BAD
        if not is_bad_ahead:
            yield stretch.last if is_bad else stretch.first, sla.end_of(stretches, index)
        is_bad_ahead = is_bad or is_bad_ahead


def _follows(stretches: Sequence[Stretch], index: int) -> bool:
    """Return whether a run follows the previous one without a gap."""
    return stretches[index].first - stretches[index - 1].last <= stretches[index - 1].hold_s


def _of(intervals: Iterable[Interval], *kinds: Kind) -> Stretches:
    return joined((interval.start, interval.end) for interval in intervals if interval.kind in kinds)


def _seconds(stretches: Stretches) -> int:
    return sum(end - start for start, end in stretches)
