"""File and update incidents. Updates are never changed, and the page follows at once."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction

from accounts.models import User
from database import changes
from incidents import system_status
from incidents.lifecycle import RESOLVED, Course, moved
from incidents.models import AffectedService, Incident, IncidentUpdate
from observability.events import Action, Subject, tell_when_committed


def course_of(incident: Incident) -> Course:
    return Course(
        status=incident.status,
        started_at=incident.started_at,
        identified_at=incident.identified_at,
        resolved_at=incident.resolved_at,
    )


def follow(incident: Incident, course: Course, who: User | None) -> None:
    """Set the course of an incident; the user who resolved it first stays the resolver. Does not save."""
    if course.resolved_at is None:
        incident.resolved_by = None
    elif incident.status != RESOLVED:
        incident.resolved_by = who
    incident.status, incident.started_at = course.status, course.started_at
    incident.identified_at, incident.resolved_at = course.identified_at, course.resolved_at
    incident.duration_minutes = course.duration_minutes


def affect(incident: Incident, impacts: Mapping[str, str]) -> None:
    """Set the services that an incident affects: impact by id."""
    before = dict(AffectedService.objects.filter(incident=incident).values_list("service_id", "impact"))
    AffectedService.objects.filter(incident=incident, service_id__in=before.keys() - impacts.keys()).delete()
    AffectedService.objects.bulk_create(
        [AffectedService(incident=incident, service_id=id, impact=impact) for id, impact in sorted(impacts.items())],
        update_conflicts=True,
        unique_fields=["incident", "service"],
        update_fields=["impact"],
    )


def post(update: IncidentUpdate, *, who: User | None, now: datetime) -> None:
    """Store an update and set its incident to the status in it."""
    incident = update.incident
    follow(incident, moved(course_of(incident), update.status, now), who)
    incident.save()
    update.created_by, update.created_at = who, now
    update.save(force_insert=True)
    action = Action.COMPLETED if incident.status == RESOLVED else Action.PROGRESS
    tell_when_committed(Subject.INCIDENT, action, [incident.pk], status=incident.status)


def publish(now: datetime) -> None:
    """Tell the page; call it last in a transaction that changes incidents."""
    with transaction.atomic():
        system_status.refresh(now)
        changes.bump("page")  # even if the overall status stays the same: titles and messages are on the page


def touched(incident: Incident) -> Collection[tuple[str, str]]:
    """Return (service id, impact) of the services that an incident affects."""
    return list(AffectedService.objects.filter(incident=incident).values_list("service_id", "impact"))


def said(incident: Incident) -> Collection[IncidentUpdate]:
    """Return all updates of an incident, newest first."""
    return list(incident.updates.select_related("created_by").order_by("-created_at", "-id"))
