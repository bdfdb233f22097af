"""Read the stored days of many services at once, for pages that list them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from functools import lru_cache
from typing import Any

from django.db import connection

from database.sql import statement
from monitoring.config.thresholds import weighing
from monitoring.rules import sla
from monitoring.rules.sla import Figures, Kind
from monitoring.rules.state import Policy

KINDS = (
    Kind.OPERATIONAL,
    Kind.PARTIAL,
    Kind.DOWN,
    Kind.UNKNOWN,
    Kind.MAINTENANCE,
    Kind.PAUSED,
    Kind.EMPTY,
)


@dataclass(frozen=True, slots=True, eq=False)
class DayFigures:
    """One stored day of one service. Days with equal content are the same object, whatever their date."""

    status: str
    seconds: tuple[int, ...]  # by kind, in the order of `KINDS`; they sum to the past part of the day
    weight_percent: int  # share of partial time that counts as up
    is_sample: bool  # sample data

    def of(self, kind: Kind) -> int:
        return self.seconds[KINDS.index(kind)]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The stored days of one service, by their offset in days from the first requested one.

    As long as their content is equal, this is the same object.
    """

    days: Mapping[int, DayFigures] = field(default_factory=dict)


NOTHING_STORED = Record()


def recent(service_ids: Collection[str], first: date, last: date, zone: tzinfo) -> dict[str, Record]:
    """Return the stored days in a zone from the first to the last, of each service that has any. One query."""
    parameters = _parameters(service_ids, first, last, zone)
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "recent_days"), parameters)
        return {service_id: _record(text) for service_id, text in cursor.fetchall()}


def figures(service_ids: Collection[str], first: date, last: date, zone: tzinfo) -> dict[str, Figures]:
    """Return the figures from the first day to the last, of each service with stored days among them. One query.

    The sum of the days' seconds, never the mean of their percentages.
    """
    parts: defaultdict[str, list[tuple[dict[Kind, int], Policy]]] = defaultdict(list)
    parameters = _parameters(service_ids, first, last, zone)
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "sums_of_days"), parameters)
        for service_id, weight, *seconds in cursor.fetchall():
            parts[service_id].append((dict(zip(KINDS, seconds, strict=True)), weighing(weight)))
    return {service_id: sla.figures_of_parts(found) for service_id, found in parts.items()}


def _parameters(service_ids: Collection[str], first: date, last: date, zone: tzinfo) -> dict[str, Any]:
    return {"service_ids": list(service_ids), "first": first, "last": last, "zone": str(zone)}


def figures_of(days: Collection[DayFigures]) -> Figures:
    """Return the figures of several days together, from the sum of their seconds, never the mean of percentages."""
    weights = {day.weight_percent for day in days}
    return sla.figures_of_parts((_summed(days, weight), weighing(weight)) for weight in weights)


def _summed(days: Iterable[DayFigures], weight: int) -> dict[Kind, int]:
    columns = zip(*(day.seconds for day in days if day.weight_percent == weight), strict=True)
    return dict(zip(KINDS, map(sum, columns), strict=True))


@lru_cache(maxsize=1_000)
def _record(text: str) -> Record:
    numbered = [day.split(",", 1) for day in text.split(";")]
    return Record({int(number): _day(values) for number, values in numbered})


@lru_cache(maxsize=20_000)
def _day(text: str) -> DayFigures:
    status, *seconds, weight, sample = text.split(",")
    return DayFigures(status, tuple(map(int, seconds)), int(weight), sample == "1")
