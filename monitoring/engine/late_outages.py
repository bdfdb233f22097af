"""Find outages that only late results reveal. They are part of the figures, so they are reported afterwards.

Example: a target hangs for 20 s, with a timeout of 30 s and an interval of 1 s. Its bad checks arrive after the good
ones that follow them. Without this module, there would be downtime without a transition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from monitoring.models import Transition
from monitoring.rules import sla
from monitoring.rules.sla import Kind, Stretch
from monitoring.rules.state import Cause, Change, Policy, Status
from monitoring.states.state_rows import LockedState


@dataclass(frozen=True, slots=True)
class Outage:
    """A confirmed outage, computed from the runs, in Unix seconds."""

    last_good: int | None  # the check before it
    first_bad: int
    last_bad: int
    recovered: int | None  # the first good check; None while it continues


def outages(stretches: Sequence[Stretch], policy: Policy) -> list[Outage]:
    """Return the confirmed outages of runs in order of time; a gap does not end one."""
    found: list[Outage] = []
    kinds = sla.counted_as(stretches, policy)
    last_good, begun, last_bad = None, None, 0
    for stretch, kind in zip(stretches, kinds, strict=True):
        if kind is Kind.DOWN:
            begun = stretch.first if begun is None else begun
            last_bad = stretch.last
            continue
        if begun is not None:
            found.append(Outage(last_good, begun, last_bad, stretch.first))
            begun = None
        last_good = stretch.last
    if begun is not None:
        found.append(Outage(last_good, begun, last_bad, None))
    return found


def untold(held: LockedState, stretches: Sequence[Stretch], since: int, until: int) -> list[Change]:
    """Return the changes to report for a locked service whose runs around [since, until] were rebuilt. One query.

    `stretches` begin with one that decides the state. An outage that continues sets the status of the state to *down*.
    """
    changes: list[Change] = []
    for outage in outages(stretches, held.policy):
        if outage.last_bad < since or outage.first_bad > until:
            continue
        if outage.recovered is None and held.state.status in (Status.DOWN, Status.UNKNOWN):
            continue  # reported before, or by the next check
        if outage.recovered is not None and _is_told(held.service_id, outage):
            continue
        changes += _changes(held.state.status, outage)
    return changes


def _is_told(service_id: str, outage: Outage) -> bool:
    until = _instant((outage.recovered or outage.last_bad) + 1)
    falls = Transition.objects.filter(service=service_id, to_status=Status.DOWN)
    return falls.filter(edge_end_at__gte=_instant(outage.first_bad), edge_end_at__lt=until).exists()


def _changes(shown: Status, outage: Outage) -> list[Change]:
    usual = Status.OPERATIONAL if shown is Status.DOWN else shown
    fall = Change(
        from_status=usual,
        to_status=Status.DOWN,
        cause=Cause.FAILED,
        edge_start_at=None if outage.last_good is None else _instant(outage.last_good),
        edge_end_at=_instant(outage.first_bad),
    )
    if outage.recovered is None:
        return [fall]
    recovery = Change(
        from_status=Status.DOWN,
        to_status=usual,
        cause=Cause.RECOVERED,
        edge_start_at=_instant(outage.last_bad),
        edge_end_at=_instant(outage.recovered),
    )
    return [fall, recovery]


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
