"""The smallest valid objects; a test states the fields it cares about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from monitoring.models import Service, ServiceState
from monitoring.probes.model import ErrorType, MeasuredRequest, Phases, ProbeResult, Verdict

START = datetime(2025, 3, 10, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


def make_service(id: str = "payments", **fields: Any) -> Service:
    values = {"name": id, "display_name": id.title(), "endpoint_url": f"http://{id}.example/health", **fields}
    return Service.objects.create(id=id, **values)


def make_checked(id: str, status: str, **fields: Any) -> Service:
    """A service with this status, from a check that speaks at any time."""
    service = make_service(id, status=status, **fields)
    ServiceState.objects.create(service=service, status=status, run_last_at=START)
    return service


def answered_500(seconds: float, milliseconds: float, **fields: Any) -> ProbeResult:
    """A failed check that was answered all the same."""
    phases = Phases(dns_ms=1, connect_ms=2, first_byte_ms=3, total_ms=milliseconds)
    result = make_result(seconds, "bad", phases=phases, **fields)
    words = "answered 500 Internal Server Error"
    (request,) = result.requests
    request = replace(request, status_code=500, error_message=words, phases=phases)
    return replace(result, status_code=500, error_type=ErrorType.HTTP, error_message=words, requests=(request,))


def make_result(seconds: float, verdict: str = "ok", service_id: str = "payments", **fields: Any) -> ProbeResult:
    """A result of the slot so many seconds after `START`."""
    is_bad = verdict == "bad"
    error = "connection refused by 10.0.0.5:443" if is_bad else None
    checked_at_ms = START_MS + round(seconds * 1000)
    phases = Phases(dns_ms=1, connect_ms=2, first_byte_ms=30, total_ms=40.5)
    values: dict[str, Any] = {
        "service_id": service_id,
        "region": "default",
        "checked_at_ms": checked_at_ms,
        "interval_ms": 60_000,
        "timeout_ms": 5_000,
        "lateness_ms": 1.5,
        "verdict": Verdict(verdict),
        "status_code": None if is_bad else 200,
        "error_type": ErrorType.CONNECTION if is_bad else None,
        "error_message": error,
        "phases": phases,
        "requests": (
            MeasuredRequest(
                started_at_ms=checked_at_ms,
                url="http://payments.example/health",
                method="GET",
                status_code=None if is_bad else 200,
                error_message=error,
                phases=phases,
            ),
        ),
    }
    return ProbeResult(**{**values, **fields})
