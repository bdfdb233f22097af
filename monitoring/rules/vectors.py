"""Run conformance vectors through the accounting: checks and spans with the figures that they must give."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from monitoring.probes.model import Verdict
from monitoring.rules import edges, notice, sla
from monitoring.rules.state import Policy

Vector = Mapping[str, Any]
FIGURES = ("uptime", "coverage", "lower", "upper")
BOUNDS = ("down_at_least", "down_at_most")  # seconds; optional in a vector


def differences(vector: Vector) -> list[str]:
    """Return the differences between the accounting and the vector's expectations, a line for each figure.

    Raises KeyError or ValueError for a vector that is not in the documented format.
    """
    found, expect = calculate(vector), vector["expect"]
    lines = list(_differences(expect, found, ""))
    if "as_measured" in expect:
        lines += _differences(expect["as_measured"], found["as_measured"], "as measured: ")
    return lines


def _differences(expect: Mapping[str, Any], found: Mapping[str, Any], reading: str) -> Iterator[str]:
    wanted = {f"seconds of {kind}": value for kind, value in expect["seconds"].items()}
    wanted |= {name: expect[name] for name in FIGURES}
    wanted |= {name: expect[name] for name in BOUNDS if name in expect}
    for name, value in wanted.items():
        if found[name] != value:
            yield f"{reading}{name}: expected {value}, found {found[name]}"


def calculate(vector: Vector) -> dict[str, Any]:
    """Return seconds by kind, the figures and the bounds of a vector, and all of these as measured."""
    policy = _policy(vector.get("policy", {}))
    window = (_second(vector["window"][0]), _second(vector["window"][1]))
    stretches, said, restated = sla.encode(_checks(vector, policy)), list(_spans(vector)), list(_restated(vector))
    found = edges.edges(stretches, policy, window)

    def reading(spans: Sequence[sla.Span], found: edges.Edges) -> dict[str, Any]:
        created_at = _second(vector["created_at"])
        intervals = sla.account(stretches, spans, policy, window=window, created_at=created_at)
        seconds = sla.seconds_by_kind(intervals)
        figures = sla.figures(seconds, policy)
        bounds = edges.Bounded(intervals, found).whole()
        return {
            **{f"seconds of {kind}": value for kind, value in seconds.items()},
            **{name: sla.percentage(getattr(figures, name)) for name in FIGURES},
            **dict(zip(BOUNDS, bounds, strict=True)),
        }

    published = reading([*notice.published(said, policy), *restated], edges.apart_from(found, restated))
    return published | {"as_measured": reading(notice.in_time(said, policy), found)}


def _checks(vector: Vector, policy: Policy) -> Iterator[tuple[int, Verdict, int]]:
    changes = [(_second(since), seconds) for since, seconds in vector.get("intervals", [])]
    interval_s = vector["interval_s"]
    for text, verdict in vector["checks"]:
        at = _second(text)
        while changes and changes[0][0] <= at:
            interval_s = changes.pop(0)[1]
        yield at, Verdict(verdict), policy.hold_s(1000 * interval_s)


def _spans(vector: Vector) -> Iterator[sla.Span]:
    for kind in (sla.SpanKind.PAUSED, sla.SpanKind.MAINTENANCE, sla.SpanKind.BLIND):
        for since, until, *said in vector.get(kind, []):
            entered, replaced = (_second(at) if at else None for at in (*said, None, None)[:2])
            yield sla.Span(kind=kind, since=_second(since), until=_second(until), entered=entered, replaced=replaced)


def _restated(vector: Vector) -> Iterator[sla.Span]:
    for since, until, kind in vector.get("restated", []):
        yield sla.Span(
            kind=sla.SpanKind.RESTATED, since=_second(since), until=_second(until), restated_as=sla.Kind(kind)
        )


def _policy(given: Mapping[str, Any]) -> Policy:
    names = {"failure_threshold", "recovery_threshold", "partial_weight_percent"}
    return Policy(
        **{name: given[name] for name in names & given.keys()},
        gap_factor=Fraction(str(given.get("gap_factor", "2.5"))),
        counts_maintenance=given.get("maintenance", "exclude") == "count",
        maintenance_notice_s=3600 * given.get("maintenance_notice_hours", 0),
        counts_late=given.get("late_maintenance", "restate") == "count",
    )


def _second(text: str) -> int:
    """Floor an ISO instant to a Unix second."""
    return int(datetime.fromisoformat(text).timestamp() // 1)
