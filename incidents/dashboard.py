"""Incidents on the dashboard of the admin, and on the pages of services."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from incidents.models import AffectedService, Incident, IncidentStatus
from monitoring.admin_site import signs

MOST_INCIDENTS_LISTED = 20
MOST_OF_SERVICE_LISTED = 10
SHAPES = {
    IncidentStatus.INVESTIGATING: "major",
    IncidentStatus.IDENTIFIED: "partial",
    IncidentStatus.MONITORING: "info",
    IncidentStatus.RESOLVED: "ok",
}


def status_sign(status: str) -> SafeString:
    return signs.sign(SHAPES[IncidentStatus(status)], str(IncidentStatus(status).label))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    id: int
    title: str
    status: str
    priority: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceIncident:
    """An incident of one service."""

    id: int
    title: str
    sign: str
    impact: str
    started_at: datetime
    resolved_at: datetime | None


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


def reported_in_incidents(service_ids: Collection[str]) -> dict[str, int]:
    """Return an unresolved incident of each service that one names, by id. One query, none without services."""
    if not service_ids:
        return {}
    named = AffectedService.objects.filter(service__in=service_ids).exclude(incident__status=IncidentStatus.RESOLVED)
    return dict(named.order_by("incident_id").values_list("service_id", "incident_id"))


def incidents_of(service_id: str) -> list[ServiceIncident]:
    """Return the newest incidents of a service, newest first. One query."""
    affected = AffectedService.objects.filter(service=service_id).select_related("incident")
    return [
        ServiceIncident(
            id=row.incident_id,
            title=row.incident.title,
            sign=status_sign(row.incident.status),
            impact=str(row.get_impact_display()),
            started_at=row.incident.started_at,
            resolved_at=row.incident.resolved_at,
        )
        for row in affected.order_by("-incident__started_at")[:MOST_OF_SERVICE_LISTED]
    ]
