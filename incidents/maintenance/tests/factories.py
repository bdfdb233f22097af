"""The smallest valid plans, for tests."""

from datetime import UTC, datetime, time
from typing import Any

from accounts.models import User
from incidents.maintenance import planning
from incidents.models import MaintenancePlan
from monitoring.models import Service

# A Monday, as in the factories of monitoring.
NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)


def a_plan(**fields: Any) -> MaintenancePlan:
    """A plan that is not stored: an hour tomorrow at 02:00 UTC, without an announcement."""
    values: dict[str, Any] = {
        "title": "Change disks",
        "starts_on": datetime(2025, 3, 11).date(),  # noqa: DTZ001
        "wall_time": time(2),
        "zone": "UTC",
        "duration_minutes": 60,
        "announce_hours": 0,
    }
    return MaintenancePlan(**{**values, **fields})


def make_plan(*services: Service, by: User | None = None, now: datetime = NOW, **fields: Any) -> MaintenancePlan:
    """Store a plan of these services; of all services if there are none and no group is named."""
    covers_all = not services and not fields.get("groups")
    plan = a_plan(**{"covers_all": covers_all, **fields})
    planning.save(plan, services, by=by, now=now, zone=UTC)
    return plan
