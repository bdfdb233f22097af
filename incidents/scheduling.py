"""Publish scheduled updates when they are due."""

import logging
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from database.locks import wait_briefly
from incidents import markdown, reporting
from incidents.models import Incident, IncidentUpdate

logger = logging.getLogger(__name__)

BATCH = 100


def schedule(update: IncidentUpdate, publish_at: datetime, *, now: datetime) -> None:
    """Store an update that takes effect later. Raises ValidationError for a time that has passed, or a bad text."""
    refuse_past(publish_at, now)
    markdown.validate(update.message)
    update.publish_at, update.created_at, update.published_at = publish_at, now, None
    update.save()


def refuse_past(publish_at: datetime, now: datetime) -> None:
    """Raise ValidationError if a time has passed."""
    if publish_at <= now:
        message = _("%(at)s has passed. Choose a later time, or publish the update now.")
        raise ValidationError(message, "past", {"at": f"{publish_at:%Y-%m-%d %H:%M %Z}"})


def publish_due(now: datetime) -> int:
    """Publish the scheduled updates of published incidents that are due, each in its own transaction; return how many.

    An update that can no longer be posted, since the incident was resolved meanwhile, stays unpublished with the reason
    in its metadata (`refused`), and is not tried again.
    """
    due = IncidentUpdate.objects.due(now).order_by("publish_at", "id").values_list("pk", "incident_id")[:BATCH]
    return sum(_publish_one(pk, incident_id, now) for pk, incident_id in list(due))


@transaction.atomic
def _publish_one(pk: int, incident_id: int, now: datetime) -> bool:
    wait_briefly()
    incident = Incident.objects.select_for_update(of=("self",)).get(pk=incident_id)  # before the update, as people do
    update = IncidentUpdate.objects.due(now).filter(pk=pk).select_for_update(of=("self",), skip_locked=True).first()
    if update is None:
        return False  # another process published it, or a person changed it
    update.incident = incident
    try:
        reporting.post(update, who=update.created_by, now=now)
    except ValidationError as error:
        update.metadata["refused"] = " ".join(error.messages)
        update.publish_at = None
        update.save(update_fields=["metadata", "publish_at"])
        logger.warning("scheduled update not published", extra={"incident_id": incident.pk, "why": str(error.code)})
        return False
    reporting.publish(now)
    return True
