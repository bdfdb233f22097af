"""The smallest valid incidents, for tests."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from incidents.models import Incident, IncidentUpdate


def make_incident(
    *, started_at: datetime, title: str = "Payments fail", is_draft: bool = False, **values: Any
) -> Incident:
    """Store an incident that was published when it began, or a draft."""
    published = {} if is_draft else {"published_at": started_at}
    return Incident.objects.create(title=title, started_at=started_at, **{**published, **values})


def make_update(*, incident: Incident, created_at: datetime, **values: Any) -> IncidentUpdate:
    """Store an update that took effect when it was written."""
    defaults = {"status": incident.status, "message": "We are looking into it.", "published_at": created_at}
    return IncidentUpdate.objects.create(incident=incident, created_at=created_at, **{**defaults, **values})


def incident_form(message: str = "", status: str = "investigating", **values: Any) -> dict[str, Any]:
    """Return what the form of an incident sends, with a new update if there is a message."""
    started_at = timezone.now() - timedelta(minutes=30)
    return {
        "title": "Payments fail",
        "severity": "high",
        "priority": "P1",
        "started_at_0": f"{started_at:%Y-%m-%d}",
        "started_at_1": f"{started_at:%H:%M:%S}",
        "updates-TOTAL_FORMS": "1",
        "updates-INITIAL_FORMS": "0",
        "updates-0-status": status,
        "updates-0-message": message,
        "updates-0-is_customer_visible": "on",
        **values,
    }


def started(incident: Incident) -> dict[str, Any]:
    """Return the start of an incident as its form sends it."""
    return {"started_at_0": f"{incident.started_at:%Y-%m-%d}", "started_at_1": f"{incident.started_at:%H:%M:%S}"}
