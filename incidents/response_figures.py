"""How fast incidents were detected, acknowledged, told and resolved, by month."""

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from django.db import connection

from database.sql import statement
from incidents.targets import RESPONSE_TARGETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The published incidents that began in a month of the page's time zone. Times are means in minutes; None: none."""

    first_day: date
    incidents: int
    missed: int  # response targets
    to_detect: float | None
    to_acknowledge: float | None
    to_first_update: float | None
    to_resolve: float | None


def by_month(first: date, now: datetime, zone: tzinfo) -> list[Month]:
    """Return the months from that of `first` on that have incidents, newest first. One query."""
    priorities, targets = zip(*RESPONSE_TARGETS.items(), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            statement("incidents", "response_figures"),
            {
                "first": first.replace(day=1),
                "zone": str(zone),
                "now": now,
                "priorities": list(priorities),
                "targets": list(targets),
            },
        )
        return [
            Month(
                first_day=row[0],
                incidents=row[1],
                missed=row[2],
                to_detect=row[3],
                to_acknowledge=row[4],
                to_first_update=row[5],
                to_resolve=row[6],
            )
            for row in cursor.fetchall()
        ]
