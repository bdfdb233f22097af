"""`/api/v1/system_status`: the overall status."""

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import SEE_SERVICES
from incidents import system_status
from incidents.models import OverallStatus, SystemStatus

router = Router(tags=["System status"])


class SystemStatusOut(BaseModel):
    """The overall status, in one row."""

    overall_status: OverallStatus = Field(description="`outage`: a critical service or half of all services are down.")
    operational_services: int
    total_services: int = Field(description="Number of monitored services.")
    active_incidents: int
    last_incident_at: datetime | None
    message: str
    updated_at: datetime


@router.get(
    "/system_status",
    response=SystemStatusOut,
    auth=Bearer(SEE_SERVICES),
    summary="Read the system status",
    operation_id="read_system_status",
)
def read_system_status(request: HttpRequest) -> SystemStatusOut:
    """Return the overall status of all services, and the number of open incidents."""
    row = SystemStatus.objects.filter(id="current").first() or system_status.refresh(timezone.now())
    return SystemStatusOut(
        overall_status=OverallStatus(row.overall_status),
        operational_services=row.operational_services,
        total_services=row.total_services,
        active_incidents=row.active_incidents,
        last_incident_at=row.last_incident_at,
        message=row.message,
        updated_at=row.updated_at,
    )
