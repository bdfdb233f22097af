"""Compare the recorded runs of a day with the raw checks before figures are made of them. Raw wins, with an alarm."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from database.sql import statement
from monitoring import counters, runs, states
from monitoring.day_checks import DayOfChecks, Start, starts
from monitoring.state import Policy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RawRuns:
    """Where the runs of a day begin by the raw checks; what its first check begins cannot be known from the day."""

    first_at: datetime
    starts: set[Start]


def raw_runs(day: DayOfChecks, policy: Policy) -> RawRuns | None:
    """Return what `mend` compares with; nothing where no check speaks of the service."""
    return RawRuns(day.first_at, starts(day, policy.gap_factor)) if day.first_at else None


def mend(policies: Mapping[str, Policy], raw: Mapping[str, RawRuns], start: datetime, end: datetime) -> list[str]:
    """Rebuild the runs of those services whose recorded ones differ from the raw checks in [start, end).

    `policies` are those in force then, by service as `raw` is; returns the ids of the rebuilt ones. Must run in a
    transaction; one query while all is well. Leave services with several regions out: what their checks fold to depends
    on the order in which they arrived.
    """
    recorded = _recorded(list(raw), start, end)
    differing = sorted(
        id
        for id, day in raw.items()
        if day.starts != {(at, verdict) for at, verdict in recorded[id] if at > day.first_at}
    )
    if differing:
        logger.error("recorded runs differ from the raw checks", extra={"services": differing[:20], "day": str(start)})
        counters.add("runs_differed", len(differing))
        locked = states.lock(differing)
        for held in locked.values():
            runs.rebuild_between(held, start, end, policies[held.service_id])
        states.save(locked.values())
    return differing


def _recorded(service_ids: list[str], start: datetime, end: datetime) -> defaultdict[str, set[Start]]:
    found: defaultdict[str, set[Start]] = defaultdict(set)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"service_ids": service_ids, "start": start, "end": end}
        cursor.execute(statement("monitoring", "starts_of_runs_recorded"), parameters)
        for service_id, at, verdict in cursor.fetchall():
            found[service_id].add((at, verdict))
    return found
