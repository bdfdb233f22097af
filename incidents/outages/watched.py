"""The services whose outages are followed, as plain values: thousands of models take long to make."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from monitoring.models import Service
from monitoring.models.services import IncidentMode
from monitoring.rules.state import Status


class Watched(NamedTuple):
    id: str
    name: str
    display_name: str
    status: str
    is_active: bool
    archived_at: datetime | None
    incident_mode: str
    is_critical: bool
    group_name: str
    regions: list[str]

    def __str__(self) -> str:
        return self.display_name or self.name

    @property
    def reason_to_stop(self) -> str:
        """Return why the outages of the service are not followed; empty if they are."""
        if self.archived_at is not None:
            return "archived"
        if not self.is_active:
            return "paused"
        return "off" if self.incident_mode == IncidentMode.OFF else ""


def watched(service_ids: Collection[str]) -> dict[str, Watched]:
    """Return these services, and those that are down, by id. One query."""
    down = Q(status=Status.DOWN, archived_at=None, is_active=True) & ~Q(incident_mode=IncidentMode.OFF)
    rows = Service.objects.filter(Q(pk__in=service_ids) | down).values_list(*Watched._fields)
    return {row[0]: Watched._make(row) for row in rows}
