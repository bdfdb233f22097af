"""The result of a check on request, as JSON."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from monitoring.engine.check_now import Attempt
from monitoring.probes.model import ErrorType, MeasuredRequest, Phases, Verdict
from monitoring.rules.unix_time import from_ms


class PhasesOut(BaseModel):
    """Milliseconds spent in each phase; null if it was not reached."""

    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    total_ms: float | None


class RequestOut(BaseModel):
    """One request on the wire; a redirect makes several."""

    url: str
    method: str
    status_code: int | None
    error_message: str | None
    phases: PhasesOut
    certificate_expires_at: datetime | None = Field(
        description="Expiry of the first certificate of the chain to expire; null without TLS."
    )


class AttemptOut(BaseModel):
    """The result of one check."""

    service_id: str
    checked_at: datetime
    verdict: Verdict
    status_code: int | None
    error_type: ErrorType | None
    error_message: str | None
    remarks: list[str] = Field(description="What is not as it should be, but no failure, such as a weak cipher suite.")
    timeout_ms: int = Field(description="Timeout of this check; at most that of the service.")
    phases: PhasesOut
    requests: list[RequestOut]
    addresses: dict[str, Sequence[str]] = Field(description="Addresses of the resolved names.")


def attempt_out(attempt: Attempt) -> AttemptOut:
    result = attempt.result
    return AttemptOut(
        service_id=result.service_id,
        checked_at=from_ms(result.checked_at_ms),
        verdict=result.verdict,
        status_code=result.status_code,
        error_type=result.error_type,
        error_message=result.error_message,
        remarks=list(result.remarks),
        timeout_ms=attempt.timeout_ms,
        phases=_phases(result.phases),
        requests=[_request(request) for request in result.requests],
        addresses=dict(attempt.addresses),
    )


def _request(request: MeasuredRequest) -> RequestOut:
    ends_at_s = request.certificate_ends_at_s
    return RequestOut(
        url=request.url,
        method=request.method,
        status_code=request.status_code,
        error_message=request.error_message,
        phases=_phases(request.phases),
        certificate_expires_at=None if ends_at_s is None else from_ms(ends_at_s * 1000),
    )


def _phases(phases: Phases) -> PhasesOut:
    return PhasesOut(
        dns_ms=phases.dns_ms,
        connect_ms=phases.connect_ms,
        tls_ms=phases.tls_ms,
        first_byte_ms=phases.first_byte_ms,
        total_ms=phases.total_ms,
    )
