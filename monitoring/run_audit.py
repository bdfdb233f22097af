"""Compare the recorded runs of a day with the raw checks before figures are made of them. Raw wins, with an alarm."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from django.db import connection

from database.sql import statement
from monitoring import counters, runs, states
from monitoring.models.raw import BLIND
from monitoring.state import Policy

logger = logging.getLogger(__name__)

Start = tuple[datetime, str]  # when a run begins, and its verdict


def mend(policies: Mapping[str, Policy], start: datetime, end: datetime) -> list[str]:
    """Rebuild the runs of those services whose recorded ones differ from the raw checks in [start, end).

    `policies` are those in force then, by service; returns the ids of the rebuilt ones. Must run in a transaction; two
    queries for each gap factor in use while all is well. Leave services with several regions out: what their checks
    fold to depends on the order in which they arrived.
    """
    differing = []
    for gap_factor in {policy.gap_factor for policy in policies.values()}:
        ids = [id for id, policy in policies.items() if policy.gap_factor == gap_factor]
        raw = _starts("starts_of_runs_in_raw", ids, start, end, gap_factor)
        recorded = _starts("starts_of_runs_recorded", ids, start, end, gap_factor)
        differing += sorted(id for id in raw.keys() | recorded.keys() if raw[id] != recorded[id])
    if differing:
        logger.error("recorded runs differ from the raw checks", extra={"services": differing[:20], "day": str(start)})
        counters.add("runs_differed", len(differing))
        locked = states.lock(differing)
        for held in locked.values():
            runs.rebuild_between(held, start, end, policies[held.service_id])
        states.save(locked.values())
    return differing


def _starts(
    name: str, ids: list[str], start: datetime, end: datetime, gap_factor: Fraction
) -> defaultdict[str, set[Start]]:
    found: defaultdict[str, set[Start]] = defaultdict(set)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {
            "service_ids": ids,
            "start": start,
            "end": end,
            "gap_factor": str(float(gap_factor)),
            "hold_of_a_millisecond": f"{float(gap_factor)} ms",
            "blind": BLIND,
        }
        cursor.execute(statement("monitoring", name), parameters)
        for service_id, at, verdict in cursor.fetchall():
            found[service_id].add((at, verdict))
    return found
