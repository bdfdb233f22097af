"""Incidents on the dashboard of the admin."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from incidents.models import AffectedService, Incident, IncidentStatus

MOST_INCIDENTS_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    id: int
    title: str
    status: str
    priority: str
    started_at: datetime


def open_incidents() -> list[OpenIncident]:
    """Return the unresolved incidents, the most urgent first. One query."""
    rows = Incident.objects.unresolved().order_by("priority", "-started_at")[:MOST_INCIDENTS_LISTED]
    return [
        OpenIncident(
            id=row.id,
            title=row.title,
            status=str(IncidentStatus(row.status).label),
            priority=row.priority,
            started_at=row.started_at,
        )
        for row in rows
    ]


def reported_in_incidents(service_ids: Collection[str]) -> set[str]:
    """Return those of the services that an unresolved incident names. One query, none without services."""
    if not service_ids:
        return set()
    named = AffectedService.objects.filter(service__in=service_ids).exclude(incident__status=IncidentStatus.RESOLVED)
    return set(named.values_list("service_id", flat=True))
