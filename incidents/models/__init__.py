from incidents.models.finding import Finding, FindingKind
from incidents.models.incident import AffectedService, Impact, Incident, IncidentStatus, Priority, Severity
from incidents.models.maintenance import (
    MaintenanceCoverage,
    MaintenanceOccurrence,
    MaintenancePlan,
    MaintenanceUpdate,
)
from incidents.models.post_mortem import FollowUp, PostMortem
from incidents.models.system_status import OverallStatus, SystemStatus
from incidents.models.update import IncidentUpdate, UpdateTemplate, UpdateWording

__all__ = [
    "AffectedService",
    "Finding",
    "FindingKind",
    "FollowUp",
    "Impact",
    "Incident",
    "IncidentStatus",
    "IncidentUpdate",
    "MaintenanceCoverage",
    "MaintenanceOccurrence",
    "MaintenancePlan",
    "MaintenanceUpdate",
    "OverallStatus",
    "PostMortem",
    "Priority",
    "Severity",
    "SystemStatus",
    "UpdateTemplate",
    "UpdateWording",
]
