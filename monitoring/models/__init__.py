from monitoring.models.compressed import CompressedChecks, CompressedRequests
from monitoring.models.engine import DispatchWatermark, EngineCounter, EngineWorker, RegionSight
from monitoring.models.heartbeats import Heartbeat
from monitoring.models.hours import Hour, ServiceHour
from monitoring.models.policies import AccountingPolicy
from monitoring.models.raw import ApiResponseTime, WatchServerLog
from monitoring.models.record_versions import UptimeRecordVersion
from monitoring.models.restatements import Restatement
from monitoring.models.rollups import ApiCallLog, RollupRequest, RollupWatermark, UptimeRecord
from monitoring.models.runs import CheckRun
from monitoring.models.services import Service
from monitoring.models.spans import MaintenanceWindow, Span, SpanKind
from monitoring.models.states import FormerRegions, RegionState, ServiceState
from monitoring.models.transitions import Transition, TransitionClaim

__all__ = [
    "AccountingPolicy",
    "ApiCallLog",
    "ApiResponseTime",
    "CheckRun",
    "CompressedChecks",
    "CompressedRequests",
    "DispatchWatermark",
    "EngineCounter",
    "EngineWorker",
    "FormerRegions",
    "Heartbeat",
    "Hour",
    "MaintenanceWindow",
    "RegionSight",
    "RegionState",
    "Restatement",
    "RollupRequest",
    "RollupWatermark",
    "Service",
    "ServiceHour",
    "ServiceState",
    "Span",
    "SpanKind",
    "Transition",
    "TransitionClaim",
    "UptimeRecord",
    "UptimeRecordVersion",
    "WatchServerLog",
]
