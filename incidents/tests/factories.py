"""The smallest valid incidents, for tests."""

from datetime import datetime
from typing import Any

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
