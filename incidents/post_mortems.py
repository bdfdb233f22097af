"""Post-mortems: the timeline of an incident, and publishing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from incidents import markdown
from incidents.models import Incident, IncidentStatus, PostMortem
from monitoring.models import Span, Transition

AROUND = timedelta(minutes=15)  # before and after the incident, so that its cause and its end are in the timeline
MOST_TRANSITIONS = 500


class EventKind(StrEnum):
    TRANSITION = "transition"
    UPDATE = "update"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the timeline."""

    at: datetime
    kind: EventKind
    service_id: str | None = None
    status: str = ""  # of the service (`Status`), or of the incident
    text: str = ""  # Markdown of an update; reason of a maintenance
    is_public: bool = True  # False: an internal update
    until: datetime | None = None  # of a maintenance


def timeline(incident: Incident, *, with_internal: bool, now: datetime) -> list[Event]:
    """Return what happened to the services of an incident around its time, and what was said, in order.

    Four queries. At most `MOST_TRANSITIONS` changes of status, the earliest ones.
    """
    start, end = incident.started_at - AROUND, (incident.resolved_at or now) + AROUND
    ids = list(incident.affected_services.values_list("pk", flat=True))
    changes = Transition.objects.filter(service__in=ids, edge_end_at__gte=start, edge_end_at__lt=end)
    windows = Span.objects.maintenance().touching(start, end).filter(Q(service__in=ids) | Q(service=None))
    said = incident.updates.published()
    if not with_internal:
        said = said.filter(is_customer_visible=True)
    events = [
        Event(at=row.edge_end_at, kind=EventKind.TRANSITION, service_id=row.service_id, status=row.to_status)
        for row in changes.order_by("edge_end_at", "id")[:MOST_TRANSITIONS]
    ]
    events += [
        Event(
            at=row.created_at,
            kind=EventKind.UPDATE,
            status=row.status,
            text=row.message,
            is_public=row.is_customer_visible,
        )
        for row in said
    ]
    events += [
        Event(at=row.since, kind=EventKind.MAINTENANCE, service_id=row.service_id, text=row.reason, until=row.until)
        for row in windows
    ]
    return sorted(events, key=lambda event: event.at)


def publish(post_mortem: PostMortem, *, who: User | None, now: datetime) -> None:
    """Publish a locked post-mortem. Raises ValidationError if customers could not read it or it is published already.

    Customers read the summary, the root cause and the public timeline; notes and actions stay internal.
    """
    incident = post_mortem.incident
    if post_mortem.published_at is not None:
        raise ValidationError(
            _("%(who)s has already published this post-mortem."),
            "published",
            {"who": str(post_mortem.published_by or _("Somebody"))},
        )
    if incident.published_at is None:
        raise ValidationError(_("Publish the incident before its post-mortem."), "draft")
    if incident.status != IncidentStatus.RESOLVED:
        raise ValidationError(_("Resolve the incident before you publish its post-mortem."), "open")
    if not post_mortem.summary.strip():
        raise ValidationError({"summary": _("Enter a summary. Customers read it first.")})
    for text in (post_mortem.summary, post_mortem.root_cause):
        markdown.validate(text)
    post_mortem.published_at, post_mortem.published_by = now, who
    post_mortem.save()


def unpublish(post_mortem: PostMortem) -> None:
    """Hide a locked post-mortem from customers; its texts stay. Raises ValidationError if they don't see it."""
    if post_mortem.published_at is None:
        raise ValidationError(_("This post-mortem is not published."), "unpublished")
    post_mortem.published_at = post_mortem.published_by = None
    post_mortem.save()
