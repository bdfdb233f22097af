"""Find the outages in a sample past."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from monitoring.rules.state import Status
from slamonitor.demo.past import Past

SHORTEST_INCIDENT = timedelta(minutes=10)

Stretch = tuple[datetime, datetime]


def outages(past: Past, until: datetime) -> Iterator[Stretch]:
    """Yield the periods in which a service was down, from the first failed check to the first good one."""
    down_since = None
    for change, _check in past.changes:
        if change.to_status is Status.DOWN:
            down_since = change.edge_end_at
        elif down_since is not None:
            yield down_since, change.edge_end_at
            down_since = None
    if down_since is not None:
        yield down_since, until


def lasting_outages(past: Past, until: datetime) -> list[Stretch]:
    """Return the past outages that were long enough for an incident, newest first."""
    over = (each for each in outages(past, until) if each[1] < until)
    return sorted((each for each in over if each[1] - each[0] >= SHORTEST_INCIDENT), reverse=True)
