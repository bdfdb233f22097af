"""Keep the overall status in one row: operational, degraded or outage."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Count

from database import changes
from database.locks import lock_in_transaction
from incidents.models import Incident, OverallStatus, SystemStatus
from monitoring.models import Service
from monitoring.rules.state import Status
from monitoring.states.live import with_live_status


def refresh(now: datetime) -> SystemStatus:
    """Recompute the row from the live statuses and the open incidents; the counter rises only on a change."""
    with transaction.atomic():
        # Of two concurrent refreshes, the older count must not win.
        lock_in_transaction("system_status")
        monitored = with_live_status(Service.objects.monitored(), now)
        statuses = monitored.values_list("live_status", "is_critical")
        services = Counter({(status, critical): n for status, critical, n in statuses.annotate(n=Count("id"))})
        newest = Incident.objects.published().order_by("-started_at")
        figures = {
            "overall_status": overall(services),
            "operational_services": sum(n for (status, _), n in services.items() if status == Status.OPERATIONAL),
            "total_services": services.total(),
            "active_incidents": Incident.objects.unresolved().count(),
            "last_incident_at": newest.values_list("started_at", flat=True).first(),
        }
        row = SystemStatus.objects.filter(id="current").first() or SystemStatus()
        if row._state.adding or any(getattr(row, name) != value for name, value in figures.items()):
            for name, value in figures.items():
                setattr(row, name, value)
            row.updated_at = now
            row.save()
            changes.bump("page")
    return row


def overall(services: Iterable[tuple[str, bool]]) -> OverallStatus:
    """Fold (status, is critical) of the monitored services, or a Counter of them, into the overall status.

    `outage` if a critical service, or half or more of all, are down; `degraded` if any is not operational.
    """
    counts = Counter(services)
    down = counts[Status.DOWN, True] + counts[Status.DOWN, False]
    if counts[Status.DOWN, True] or (down and 2 * down >= counts.total()):
        return OverallStatus.OUTAGE
    if counts[Status.OPERATIONAL, True] + counts[Status.OPERATIONAL, False] < counts.total():
        return OverallStatus.DEGRADED
    return OverallStatus.OPERATIONAL
