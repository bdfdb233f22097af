"""Distinguish entries made in time from late ones. Pure.

People enter maintenance windows and pauses, and may change them. An entry is in time for the time in which it was in
force: from when it was entered until another entry replaced it. For time that had passed before, it is *late*; so is
the withdrawal of an entry for time that has passed. A policy may also require notice: then maintenance is in time only
if it was entered that long before it began.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from monitoring.rules.sla import Span, SpanKind
from monitoring.rules.state import Policy
from monitoring.rules.time_sets import Stretches, joined, shared, without

SAID_BY_PEOPLE = (SpanKind.MAINTENANCE, SpanKind.PAUSED)


class Late(NamedTuple):
    """A stretch [since, until) for which a span was entered, or withdrawn, too late."""

    span: Span
    since: int
    until: int
    is_withdrawn: bool  # the span was entered in time and replaced later


def in_time(spans: Sequence[Span], policy: Policy) -> list[Span]:
    """Return the parts of spans that were entered in time."""
    found = [span for span in spans if span.kind not in SAID_BY_PEOPLE]
    for kind in SAID_BY_PEOPLE:
        stretches = _in_time([span for span in spans if span.kind is kind], policy)
        found += [Span(kind=kind, since=since, until=until) for since, until in stretches]
    return found


def published(spans: Sequence[Span], policy: Policy) -> list[Span]:
    """Return the spans behind the published figures: those in force, and the late parts that the policy accepts."""
    return in_time(spans, policy) if policy.counts_late else [span for span in spans if span.replaced is None]


def late(spans: Sequence[Span], policy: Policy, window: tuple[int, int]) -> list[Late]:
    """Return the late entries in a window [start, end), in order of time; each stretch once, by its first entry."""
    found: list[Late] = []
    for kind in SAID_BY_PEOPLE:
        if kind is SpanKind.MAINTENANCE and policy.counts_maintenance:
            continue
        said = sorted((span for span in spans if span.kind is kind), key=_first_said)
        found += _late(said, policy, window)
    return sorted(found, key=lambda each: (each.since, each.until))


def _late(said: Sequence[Span], policy: Policy, window: tuple[int, int]) -> list[Late]:
    timely = _in_time(said, policy)
    standing = joined((span.since, span.until) for span in said if span.replaced is None)
    found: list[Late] = []
    told = timely
    for span in said:
        pieces = without(shared(shared([(span.since, span.until)], standing), [window]), told)
        found += [Late(span, since, until, is_withdrawn=False) for since, until in pieces]
        told = joined([*told, *pieces])
    told = standing
    for span in said:
        stood = shared(_stood([span]), timely)
        pieces = without(shared(stood, [window]), told)
        found += [Late(span, since, until, is_withdrawn=True) for since, until in pieces]
        told = joined([*told, *pieces])
    return found


def _in_time(said: Collection[Span], policy: Policy) -> Stretches:
    """Return the time of spans of one kind that was entered in time."""
    stood = _stood(said)
    if not policy.maintenance_notice_s or not any(span.kind is SpanKind.MAINTENANCE for span in said):
        return stood
    return shared(
        stood, joined((span.since, span.until) for span in said if _had_notice(span, policy.maintenance_notice_s))
    )


def _stood(said: Collection[Span]) -> Stretches:
    """Return the time of spans while they were in force."""
    return joined(
        (
            span.since if span.entered is None else max(span.since, span.entered),
            span.until if span.replaced is None else min(span.until, span.replaced),
        )
        for span in said
    )


def _had_notice(span: Span, notice_s: int) -> bool:
    asked_at = span.since - notice_s
    return (span.entered is None or span.entered <= asked_at) and (span.replaced is None or span.replaced > asked_at)


def _first_said(span: Span) -> tuple[float, bool, int]:
    """Return the sort key of entries by time of entry; of a reworded one, the version in force comes first."""
    return (float("-inf") if span.entered is None else span.entered, span.replaced is not None, span.since)
