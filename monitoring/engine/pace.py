"""Measure whether the engine keeps up: beyond its capacity, fewer checks are stored than slots were due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from database.sql import statement
from monitoring.rules.unix_time import to_ms

SLOT_SETTLES_AFTER = timedelta(seconds=20)  # later slots may still wait for an answer or for the recorder
PACE_WINDOW = timedelta(seconds=10)
FEWEST_DUE = 100  # slots in the window; with fewer, a ratio means little
KEPT_UP_RATIO = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Due and stored checks per second, in a window that has settled."""

    due_per_s: float
    stored_per_s: float

    @property
    def is_behind(self) -> bool:
        has_enough = self.due_per_s * PACE_WINDOW.total_seconds() >= FEWEST_DUE
        return has_enough and self.stored_per_s < KEPT_UP_RATIO * self.due_per_s


def pace(now: datetime) -> Pace:
    """Compare due slots with stored checks. One query, which reads ten seconds of checks."""
    until = now - SLOT_SETTLES_AFTER
    since = until - PACE_WINDOW
    window: dict[str, Any] = {"since": since, "until": until, "since_ms": to_ms(since), "until_ms": to_ms(until)}
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "pace"), window)
        due, stored = cursor.fetchone() or (0, 0)
    seconds = PACE_WINDOW.total_seconds()
    return Pace(due_per_s=due / seconds, stored_per_s=stored / seconds)
