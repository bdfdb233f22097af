"""The values that enter and leave a probe. Pure: no Django, no settings, no wall clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The stored outcome of a check. Every verdict but `BAD` counts as healthy."""

    OK = "ok"
    SLOW = "slow"
    BAD = "bad"


class ErrorType(StrEnum):
    """Why a check is bad, in the words of `watch_server_logs.error_type`."""

    TIMEOUT = "timeout"
    CONNECTION = "connection_error"
    HTTP = "http_error"
    DNS = "dns_error"
    UNKNOWN = "unknown"  # the target failed in a way that has no type of its own


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of a probe about its target."""

    verdict: Verdict
    error_type: ErrorType | None = None  # set exactly when the verdict is bad
    message: str | None = None  # always where bad or slow; a remark where ok


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """All that a worker must know to make one attempt; complete, so that it needs no database."""

    service_id: str
    region: str
    version: int  # of the service's settings; grows with each change
    kind: str = "http"
    url: str
    timeout_ms: int  # total deadline: DNS, connect, TLS, redirects and body together
    interval_ms: int
    due_at_ms: int  # Unix time of the slot; becomes `checked_at`
    expires_at_ms: int  # Unix time after which the attempt is dropped instead of made late
    trace_id: str  # 32 hexadecimal digits
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the kind, as under `check:`; secrets are sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Milliseconds that one request spent in each phase; `None` if it was not reached."""

    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None  # from the request sent to the first byte of the answer
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRequest:
    """One request on the wire (a redirect makes several); a row of `api_response_times`."""

    started_at_ms: int  # Unix time, from `due_at_ms` plus what the monotonic clock measured since
    url: str
    method: str
    status_code: int | None
    error_message: str | None
    phases: Phases
    # Unix time at which the first certificate of its chain expires; None without TLS. For people who wait; not sent.
    certificate_ends_at_s: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The result of one attempt. A failing target is a value here, never an exception."""

    service_id: str
    region: str
    checked_at_ms: int  # the slot, not the moment of the attempt
    interval_ms: int  # in force at the check, from the spec, as is the timeout
    timeout_ms: int
    lateness_ms: float  # start − due, at least 0
    verdict: Verdict
    status_code: int | None
    error_type: ErrorType | None  # set exactly when the verdict is bad
    error_message: str | None  # also where slow, and as a remark where ok
    phases: Phases  # sums over all requests of the attempt; `total_ms` is the whole attempt
    requests: tuple[MeasuredRequest, ...]  # of HTTP; other kinds make none
    # As the target received it, for the worker's own log. Not sent: the engine derives it again.
    trace_id: str = field(default="", compare=False)
    # Faults of the target that are no failure. The message of an ok check repeats them. Not sent.
    remarks: tuple[str, ...] = field(default=(), compare=False)
