from incidents.models.incident import AffectedService, Impact, Incident, IncidentStatus, Priority, Severity
from incidents.models.system_status import OverallStatus, SystemStatus
from incidents.models.update import IncidentUpdate

__all__ = [
    "AffectedService",
    "Impact",
    "Incident",
    "IncidentStatus",
    "IncidentUpdate",
    "OverallStatus",
    "Priority",
    "Severity",
    "SystemStatus",
]
