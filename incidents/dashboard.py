"""Incidents on the dashboard of the admin, and on the pages of services."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.utils.safestring import SafeString

from incidents.models import AffectedService, Finding, FollowUp, Incident, IncidentStatus, IncidentUpdate
from incidents.targets import Response, response_of
from monitoring.admin_site import signs

MOST_INCIDENTS_LISTED = 20
MOST_OF_SERVICE_LISTED = 10
MOST_ACTIONS_LISTED = 10
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
    response: Response
    is_acknowledged: bool
    is_proposed: bool  # the monitor proposes an update


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft that waits for a decision."""

    id: int
    title: str
    priority: str
    started_at: datetime
    response: Response
    services: int
    is_over: bool  # its services have recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceIncident:
    """An incident of one service."""

    id: int
    title: str
    sign: str
    impact: str
    started_at: datetime
    resolved_at: datetime | None


def open_incidents(now: datetime) -> list[OpenIncident]:
    """Return the unresolved incidents, the most urgent first. One query."""
    proposed = IncidentUpdate.objects.filter(incident=OuterRef("pk"), is_proposed=True)
    found = Incident.objects.unresolved().annotate(is_proposed=Exists(proposed))
    rows: Iterable[Any] = found.order_by("priority", "-started_at")[:MOST_INCIDENTS_LISTED]
    return [
        OpenIncident(
            id=row.id,
            title=row.title,
            status=str(IncidentStatus(row.status).label),
            priority=row.priority,
            started_at=row.started_at,
            response=response_of(row.priority, row.started_at, row.first_update_at, row.resolved_at, now),
            is_acknowledged=row.acknowledged_at is not None,
            is_proposed=row.is_proposed,
        )
        for row in rows
    ]


def drafts(now: datetime) -> list[Draft]:
    """Return the drafts that wait for a decision, the most urgent first. One query."""
    services = Count("affectedservice")
    open_ones = Count("affectedservice", filter=Q(affectedservice__recovered_at=None))
    found = Incident.objects.drafts().annotate(services=services, open_ones=open_ones)
    rows: Iterable[Any] = found.order_by("priority", "started_at")[:MOST_INCIDENTS_LISTED]
    return [
        Draft(
            id=row.id,
            title=row.title,
            priority=row.priority,
            started_at=row.started_at,
            response=response_of(row.priority, row.started_at, None, None, now),
            services=row.services,
            is_over=row.services > 0 and row.open_ones == 0,
        )
        for row in rows
    ]


def open_findings() -> int:
    """Return the number of differences between measurements and incidents that nobody has explained. One query."""
    return Finding.objects.open().count()


def overdue_actions(today: date) -> list[FollowUp]:
    """Return the actions of post-mortems that are not done and were due before today, the oldest first. One query."""
    overdue = FollowUp.objects.filter(done_at=None, due_on__lt=today).select_related("owner")
    return list(overdue.order_by("due_on", "pk")[:MOST_ACTIONS_LISTED])


def reported_in_incidents() -> dict[str, int]:
    """Return an incident of each service that one names, by id: a draft, or one that customers read and that is open.

    A dismissed draft reports nothing, and a resolved incident is about an earlier outage. One query.
    """
    is_draft = Q(incident__published_at=None, incident__dismissed_at=None)
    is_told = Q(incident__published_at__isnull=False) & ~Q(incident__status=IncidentStatus.RESOLVED)
    named = AffectedService.objects.filter(is_draft | is_told)
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
