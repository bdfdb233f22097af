"""Run conformance vectors through the accounting: cases with checks and spans, and the figures they must give."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from monitoring import sla
from monitoring.probes.model import Verdict
from monitoring.state import Policy

Vector = Mapping[str, Any]
FIGURES = ("uptime", "coverage", "lower", "upper")


def differences(vector: Vector) -> list[str]:
    """Return what the accounting says otherwise than the vector expects, a line for each figure; empty when it agrees.

    Raises KeyError or ValueError for a vector that is not in the documented format.
    """
    found = calculate(vector)
    wanted = {**{f"seconds of {kind}": value for kind, value in vector["expect"]["seconds"].items()}}
    wanted |= {name: vector["expect"][name] for name in FIGURES}
    return [f"{name}: expected {value}, found {found[name]}" for name, value in wanted.items() if found[name] != value]


def calculate(vector: Vector) -> dict[str, Any]:
    """Return seconds by kind and the figures of a vector."""
    policy = _policy(vector.get("policy", {}))
    intervals = sla.account(
        sla.encode(_checks(vector, policy)),
        list(_spans(vector)),
        policy,
        window=(_second(vector["window"][0]), _second(vector["window"][1])),
        created_at=_second(vector["created_at"]),
    )
    seconds = sla.seconds_by_kind(intervals)
    figures = sla.figures(seconds, policy)
    return {
        **{f"seconds of {kind}": value for kind, value in seconds.items()},
        **{name: sla.percentage(getattr(figures, name)) for name in FIGURES},
    }


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
        for since, until in vector.get(kind, []):
            yield sla.Span(kind=kind, since=_second(since), until=_second(until))
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
    )


def _second(text: str) -> int:
    """Floor an ISO instant to a Unix second."""
    return int(datetime.fromisoformat(text).timestamp() // 1)
