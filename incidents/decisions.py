"""Decisions about an incident that take one click."""

from collections.abc import Callable, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from incidents import reporting
from incidents.models import Incident

Decision = Callable[[Incident, User, datetime], None]


def publish(incident: Incident, who: User, now: datetime) -> None:
    reporting.publish_incident(incident, who=who, now=now)


def dismiss(incident: Incident, who: User, now: datetime) -> None:
    reporting.dismiss(incident, who=who, now=now)


def acknowledge(incident: Incident, who: User, now: datetime) -> None:
    """Take care of an incident. Raises ValidationError if somebody else does already."""
    if incident.acknowledged_at is not None and incident.acknowledged_by != who:
        name = str(incident.acknowledged_by or "–")
        raise ValidationError(_("%(who)s has already acknowledged this incident."), "acknowledged", {"who": name})
    reporting.acknowledge(incident, who=who, now=now)
    incident.save(update_fields=["acknowledged_at", "acknowledged_by", "updated_at"])


def post_proposal(incident: Incident, who: User, now: datetime) -> None:
    """Post what the monitor proposes; that may reopen the incident. Raises ValidationError if it proposes nothing."""
    proposal = reporting.proposal_of(incident)
    if proposal is None or incident.published_at is None:
        raise ValidationError(_("The monitor no longer proposes this update."), "withdrawn")
    proposal.incident = incident
    reporting.post(proposal, who=who, now=now, reopens=bool(proposal.metadata.get("reopens")))


DECISIONS: Mapping[str, Decision] = {
    "publish": publish,
    "dismiss": dismiss,
    "acknowledge": acknowledge,
    "post": post_proposal,
}
