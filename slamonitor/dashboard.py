"""What the desk's first screen says: `templates/admin/index.html` shows what this adds to the context."""

from typing import Any

from django.http import HttpRequest

from incidents.models import Incident, SystemStatus
from monitoring.models import Service
from monitoring.state import Status


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Say what must be done now: open incidents, and services that are not well."""
    return {
        **context,
        "whole": SystemStatus.objects.filter(id="current").first(),
        "incidents": Incident.objects.unresolved().order_by("-started_at")[:20],
        "unwell": Service.objects.monitored().exclude(status=Status.OPERATIONAL).order_by("name")[:20],
    }
