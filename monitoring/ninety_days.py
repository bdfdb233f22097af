"""Figures over many days, from the seconds in the daily rows: sums of seconds, never means of days."""

from collections.abc import Collection
from datetime import date
from typing import Any

from django.db.models import Sum

from monitoring import sla
from monitoring.models import UptimeRecord
from monitoring.sla import Figures, Kind
from monitoring.state import Policy

COLUMNS = {kind: f"{kind}_s" for kind in Kind}


def seconds(service_ids: Collection[str], first: date, last: date) -> dict[str, dict[Kind, int]]:
    """Return the seconds by kind of services that have rows in the days, first and last included. One query."""
    rows: Any = (
        UptimeRecord.objects.filter(service__in=service_ids, date__range=(first, last))
        .values("service_id")
        .annotate(**{f"sum_of_{column}": Sum(column) for column in COLUMNS.values()})
    )
    return {row["service_id"]: {kind: row[f"sum_of_{column}"] for kind, column in COLUMNS.items()} for row in rows}


def figures(service_ids: Collection[str], first: date, last: date, policy: Policy = Policy()) -> dict[str, Figures]:  # noqa: B008  frozen
    """Return the figures of services over days. One query."""
    return {id: sla.figures(found, policy) for id, found in seconds(service_ids, first, last).items()}
