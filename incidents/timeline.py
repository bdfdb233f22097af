"""The timeline of an incident: its updates with earlier wordings, and those that wait or were refused."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Prefetch, QuerySet

from incidents import reporting
from incidents.models import Impact, Incident, IncidentUpdate, UpdateWording
from monitoring.models import Service

NEWEST_SHOWN = 5  # the earlier updates are folded


def of_incident(incident: Incident) -> dict[str, Any]:
    """Return the context of the template. Four queries."""
    wordings = UpdateWording.objects.select_related("author").order_by("-replaced_at", "-id")
    said = list(reporting.said(incident).select_related("edited_by").prefetch_related(Prefetch("wordings", wordings)))
    not_yet = list(waiting(incident))
    _name_impacts([*said, *not_yet])
    return {"said": said[:NEWEST_SHOWN], "said_earlier": said[NEWEST_SHOWN:], "waiting": not_yet}


def waiting(incident: Incident) -> QuerySet[IncidentUpdate]:
    """Return the updates of people that have not taken effect, the next first and refused ones last."""
    rows = incident.updates.filter(published_at=None, is_proposed=False).select_related("created_by")
    return rows.order_by(F("publish_at").asc(nulls_last=True), "id")


def _name_impacts(updates: Sequence[IncidentUpdate]) -> None:
    """Set `impact_words` of updates that change impacts. One query."""
    changed = [update for update in updates if update.impacts]
    services = Service.objects.in_bulk({id for update in changed for id in update.impacts or ()}) if changed else {}
    for update in changed:
        named = sorted((str(services.get(id, id)), impact) for id, impact in (update.impacts or {}).items())
        update.impact_words = [f"{name} – {Impact(impact).label}" for name, impact in named]  # type: ignore[attr-defined]
