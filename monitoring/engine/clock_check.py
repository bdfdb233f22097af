"""Find clocks that differ from the broker's, and the messages that were refused lately for that reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from monitoring.config import clock
from monitoring.engine.workers import LATE_STAMP_AFTER, seen_since
from monitoring.models import EngineCounter

CLOCK_DIFFERS_FROM = timedelta(seconds=2)  # from here on, edges of outages move visibly
REFUSALS_LOOK_BACK = timedelta(minutes=5)
REFUSALS: Mapping[str, str] = {
    "results_ahead": "results refused because their time was in the future",
    "specs_ahead": "specs refused because they were due too far in the future",
    "states_ahead": "states in the future corrected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A clock that differs from the broker's."""

    name: str  # of a worker, this process or PostgreSQL
    ahead: timedelta  # negative when it is behind

    def __str__(self) -> str:
        return f"{self.name} ({self.ahead.total_seconds():+.1f} s)"


def workers_ahead() -> dict[str, timedelta]:
    """Return by how much the clocks of living workers are ahead, by name. One query."""
    now = clock.now()
    said = {
        worker.name: (worker.facts or {}).get("clock_ahead_ms") for worker in seen_since(now - LATE_STAMP_AFTER, now)
    }
    return {name: timedelta(milliseconds=ms) for name, ms in sorted(said.items()) if ms is not None}


def database_ahead() -> timedelta:
    """Return how far PostgreSQL's clock is ahead at least; the time of the query limits the precision. One query."""
    before = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    after = clock.now()
    return max(theirs - after, timedelta()) + min(theirs - before, timedelta())


def differing() -> list[Clock]:
    """Return every clock that differs by `CLOCK_DIFFERS_FROM` or more. Two queries."""
    found = {**workers_ahead(), "PostgreSQL": database_ahead()}
    if (ours := clock.of_broker().wall_ahead()) is not None:
        found["this process"] = ours
    return [Clock(name=name, ahead=ahead) for name, ahead in found.items() if abs(ahead) >= CLOCK_DIFFERS_FROM]


def refused_lately() -> list[str]:
    """Describe what was refused or corrected within the last minutes, with totals. One query."""
    lately = EngineCounter.objects.filter(name__in=REFUSALS, raised_at__gte=Now() - REFUSALS_LOOK_BACK)
    rows = lately.annotate(ago=Now() - F("raised_at")).order_by("name").values_list("name", "value", "ago")
    return [f"{value} {REFUSALS[name]} (last {ago.total_seconds():.0f} s ago)" for name, value, ago in rows]
