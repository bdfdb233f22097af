"""Compare the recorded runs of a day with the raw checks before figures are made of them. Raw wins, with an alarm."""

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection

from database.sql import statement
from monitoring import counters, runs, states
from monitoring.models import Service
from monitoring.models.raw import BLIND
from monitoring.policies import POLICY

logger = logging.getLogger(__name__)

Start = tuple[datetime, str]  # when a run begins, and its verdict


def mend(services: Collection[Service], start: datetime, end: datetime) -> list[str]:
    """Rebuild the runs of those services whose recorded ones differ from the raw checks in [start, end).

    Returns their ids. Must run in a transaction; two queries while all is well. Services with several regions are left
    out: what their checks fold to depends on the order in which they arrived.
    """
    ids = [service.id for service in services if len(service.regions) == 1]
    raw, recorded = (_starts(name, ids, start, end) for name in ("starts_of_runs_in_raw", "starts_of_runs_recorded"))
    differing = sorted(id for id in raw.keys() | recorded.keys() if raw[id] != recorded[id])
    if differing:
        logger.error("recorded runs differ from the raw checks", extra={"services": differing[:20], "day": str(start)})
        counters.add("runs_differed", len(differing))
        locked = states.lock(differing)
        for held in locked.values():
            runs.rebuild_between(held, start, end, held.policy)
        states.save(locked.values())
    return differing


def _starts(name: str, ids: list[str], start: datetime, end: datetime) -> defaultdict[str, set[Start]]:
    found: defaultdict[str, set[Start]] = defaultdict(set)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {
            "service_ids": ids,
            "start": start,
            "end": end,
            "gap_factor": str(float(POLICY.gap_factor)),
            "hold_of_a_millisecond": f"{float(POLICY.gap_factor)} ms",
            "blind": BLIND,
        }
        cursor.execute(statement("monitoring", name), parameters)
        for service_id, at, verdict in cursor.fetchall():
            found[service_id].add((at, verdict))
    return found
