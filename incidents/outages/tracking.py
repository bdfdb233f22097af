"""Follow the outages of one service through its transitions. Pure.

An outage begins with the transition to `down`, at the first bad check, and ends with the one to `operational` or
`partial`, at the first good check. Time without data neither begins nor ends one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from monitoring.rules.state import Status

UP = frozenset({Status.OPERATIONAL, Status.PARTIAL})


class Change(Protocol):
    """A transition, as far as it matters here."""

    to_status: str
    edge_end_at: datetime
    evidence: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Track:
    """The outages of a service in one incident: the first one, those after it, and whether the last one is over."""

    failed_at: datetime  # first bad check of the first outage
    recovered_at: datetime | None = None  # first good check after the last outage
    relapses: list[datetime] = field(default_factory=list)  # first bad checks of the outages after the first, if new
    confirmed: Change | None = None  # the transition that revealed the first outage; None: it was known before

    @classmethod
    def begun(cls, change: Change) -> Self:
        return cls(failed_at=change.edge_end_at, confirmed=change)

    def take(self, change: Change) -> None:
        """Follow one transition. No recovery is before its outage, whatever a clock that was set back says.

        Outages before this one that only late results revealed are no part of it.
        """
        if change.evidence.get("is_late") and change.edge_end_at < max([self.failed_at, *self.relapses]):
            return
        if change.to_status == Status.DOWN and self.recovered_at is not None:
            self.relapses.append(max(change.edge_end_at, self.recovered_at))
            self.recovered_at = None
        elif change.to_status in UP and self.recovered_at is None:
            self.recovered_at = max([change.edge_end_at, self.failed_at, *self.relapses])


def found(changes: Iterable[Change], *, least: timedelta, now: datetime) -> Track | None:
    """Find the first outage among the transitions of a service that lasted, or has lasted by now, at least `least`."""
    track: Track | None = None
    is_long = False
    for change in changes:
        if track is None:
            track = Track.begun(change) if change.to_status == Status.DOWN else None
            continue
        track.take(change)
        if track.recovered_at is not None and not is_long:
            is_long = track.recovered_at - track.failed_at >= least
            track = track if is_long else None
    if track is not None and not is_long and not has_lasted(track.failed_at, least=least, now=now):
        return None
    return track


def has_lasted(failed_at: datetime, *, least: timedelta, now: datetime) -> bool:
    """Return whether an outage lasts long enough; one from the future does, as some clock is wrong."""
    return not timedelta() <= now - failed_at < least
