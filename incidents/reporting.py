"""File, publish and update incidents. The page follows at once."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.models import User
from database import changes
from incidents import system_status
from incidents.lifecycle import RESOLVED, Course, moved
from incidents.models import AffectedService, Incident, IncidentUpdate, PostMortem
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
    affected = AffectedService.objects.filter(incident=incident).exclude(service_id__in=impacts)
    if taken_off := list(affected.filter(is_followed=True).values_list("service_id", flat=True)):
        # Their outages, if they last, get an incident of their own and don't come back to this one.
        incident.metadata["taken_off"] = sorted({*incident.metadata.get("taken_off", ()), *taken_off})
        incident.save(update_fields=["metadata"])
    affected.delete()
    affect_more(incident, impacts)


def locked(incident_id: int) -> Incident:
    """Return an incident, locked until the transaction ends. Raises Incident.DoesNotExist."""
    return Incident.objects.select_for_update().get(pk=incident_id)


def publish_incident(incident: Incident, *, who: User | None, now: datetime) -> None:
    """Make a locked draft public, with the updates that it has. Raises ValidationError if it is no draft any more."""
    refuse_decided(incident)
    incident.published_at, incident.published_by = now, who
    if who is not None:
        acknowledge(incident, who=who, now=now)
    if waiting := incident.updates.filter(is_proposed=True).first():
        post(waiting, who=who, now=now)
    first = incident.updates.published().filter(is_customer_visible=True).exists()
    incident.first_update_at = now if first else None
    incident.save()
    tell_when_committed(Subject.INCIDENT, Action.CREATED, [incident.pk], status=incident.status)


def dismiss(incident: Incident, *, who: User | None, now: datetime) -> None:
    """Decide that a locked draft is not published. Raises ValidationError if it is no draft any more."""
    refuse_decided(incident)
    incident.dismissed_at, incident.dismissed_by = now, who
    if who is not None:
        acknowledge(incident, who=who, now=now)
    incident.updates.filter(is_proposed=True).delete()
    incident.save()
    tell_when_committed(Subject.INCIDENT, Action.CANCELLED, [incident.pk], what="dismissed")


def proposal_of(incident: Incident) -> IncidentUpdate | None:
    """Return the update that the monitor proposes for an incident, if it proposes one. One query."""
    return incident.updates.filter(is_proposed=True).first()


def keep_for_publication(update: IncidentUpdate, *, who: User | None, now: datetime) -> bool:
    """Keep an update of a locked draft until the draft is published; return False if the incident is no draft.

    It takes the place of what the monitor proposes. From then on it is the person's, and the monitor does not change
    it.
    """
    incident = update.incident
    if incident.published_at is not None or incident.dismissed_at is not None:
        return False
    kept = proposal_of(incident) or IncidentUpdate(incident=incident, is_proposed=True, created_at=now)
    kept.status, kept.is_customer_visible = update.status, update.is_customer_visible
    kept.message, kept.message_translations = update.message, update.message_translations
    kept.created_by = who
    kept.save()
    return True


def acknowledge(incident: Incident, *, who: User | None, now: datetime) -> None:
    """Note who took care of an incident first. Does not save."""
    if incident.acknowledged_at is None:
        incident.acknowledged_at, incident.acknowledged_by = max(now, incident.started_at), who


def refuse_decided(incident: Incident) -> None:
    """Raise ValidationError if an incident is no draft any more, and say who decided."""
    if incident.published_at is not None:
        who = incident.published_by or _("the monitor")
        raise ValidationError(_("%(who)s has already published this incident."), "published", {"who": str(who)})
    if incident.dismissed_at is not None:
        who = incident.dismissed_by or _("the monitor")
        raise ValidationError(_("%(who)s has already dismissed this draft."), "dismissed", {"who": str(who)})


def post(update: IncidentUpdate, *, who: User | None, now: datetime, reopens: bool = False) -> None:
    """Store an update of a locked incident, which takes effect now, and set the incident to the status in it.

    A closing update that the monitor proposed sets the end of the incident to that of the outage, as measured. Raises
    ValidationError if it would reopen a resolved incident without `reopens`.
    """
    incident, was_resolved = update.incident, update.incident.status == RESOLVED
    if was_resolved and update.status != RESOLVED and not reopens:
        raise ValidationError(_reopen_first(), "resolved")
    follow(incident, moved(course_of(incident), update.status, _in_effect(update, now)), who)
    if incident.published_at is not None and update.is_customer_visible and incident.first_update_at is None:
        incident.first_update_at = now
    incident.save()
    update.created_by, update.created_at = who, now
    update.is_proposed, update.publish_at, update.published_at = False, None, now
    update.save()
    # Nothing is left to propose where it is said already.
    incident.updates.filter(Q(status=update.status) | Q(metadata__reopens=True), is_proposed=True).delete()
    if update.impacts is not None:
        affect_more(incident, update.impacts)
    if incident.status == RESOLVED:
        _refuse_scheduled(incident)
    elif was_resolved:  # its post-mortem explains an incident that is over
        PostMortem.objects.filter(incident=incident).update(published_at=None, published_by=None)
    action = Action.COMPLETED if incident.status == RESOLVED else Action.PROGRESS
    tell_when_committed(Subject.INCIDENT, action, [incident.pk], status=incident.status)


def _reopen_first() -> str:
    return _("This incident is resolved. Reopen it before you post another status.")


def _refuse_scheduled(incident: Incident) -> None:
    """Keep scheduled updates from taking effect after their incident was resolved, or was reopened later."""
    waiting = incident.updates.filter(published_at=None, publish_at__isnull=False).exclude(status=RESOLVED)
    for update in waiting:
        update.metadata["refused"] = _reopen_first()
        update.publish_at = None
        update.save(update_fields=["metadata", "publish_at"])


def _in_effect(update: IncidentUpdate, now: datetime) -> datetime:
    """Return the end of the outage for a closing update that the monitor proposed, and `now` for any other."""
    measured = parse_datetime(str(update.metadata.get("at", ""))) if update.status == RESOLVED else None
    if measured is None or not update.is_proposed:
        return now
    return max(min(measured, now), update.incident.identified_at or measured)


def affect_more(incident: Incident, impacts: Mapping[str, str]) -> None:
    """Change the impact of services of an incident, and add services; the others stay as they are."""
    AffectedService.objects.bulk_create(
        [AffectedService(incident=incident, service_id=id, impact=impact) for id, impact in sorted(impacts.items())],
        update_conflicts=True,
        unique_fields=["incident", "service"],
        update_fields=["impact"],
    )


def publish(now: datetime) -> None:
    """Tell the page; call it last in a transaction that changes incidents."""
    with transaction.atomic():
        system_status.refresh(now)
        changes.bump("page")  # even if the overall status stays the same: titles and messages are on the page


def touched(incident: Incident) -> Collection[tuple[str, str]]:
    """Return (service id, impact) of the services that an incident affects."""
    return list(AffectedService.objects.filter(incident=incident).values_list("service_id", "impact"))


def said(incident: Incident) -> QuerySet[IncidentUpdate]:
    """Return the updates of an incident that have taken effect, newest first."""
    return incident.updates.published().select_related("created_by").order_by("-created_at", "-id")
