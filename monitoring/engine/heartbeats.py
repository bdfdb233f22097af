"""Heartbeats: services that report to us. A ping is a check, and silence at the deadline is a bad check.

A check of a heartbeat counts until the next deadline, so no time between two pings is unknown. If the monitor did not
check deadlines for longer than the grace, it may have missed a punctual ping, so silence proves nothing: the job gets
one more period.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from fractions import Fraction
from math import ceil

from django.db import transaction
from django.db.models import F, Q, QuerySet

from database.locks import wait_briefly
from monitoring.config.clock import AHEAD
from monitoring.config.thresholds import REPORTED
from monitoring.engine import blindness, recording, tally
from monitoring.models import Heartbeat, Service
from monitoring.probes import KINDS
from monitoring.probes.kinds.heartbeat import HeartbeatSettings
from monitoring.probes.model import ErrorType, Phases, ProbeResult, Verdict
from monitoring.rules.unix_time import to_ms

logger = logging.getLogger(__name__)

KIND = "heartbeat"
TOKEN_BYTES = 24
LEAST_PING_INTERVAL = timedelta(milliseconds=100)  # faster pings are refused
LOOK_LATE_AFTER = timedelta(seconds=10)  # deadlines were not checked for so long, or for the grace if longer
LONGEST_INTERVAL_MS = 2**31 - 1
MESSAGE_LENGTH = 500
BATCH = 500


class Answer(Enum):
    """The outcome of a ping."""

    TAKEN = "taken"
    UNKNOWN = "unknown"
    TOO_OFTEN = "too often"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The content of a ping: the job has started (`has_started`), or it has ended with an exit code."""

    has_started: bool = False
    has_failed: bool = False
    exit_code: int | None = None
    message: str = ""

    @property
    def words(self) -> str | None:
        if not self.has_failed:
            return self.message or None
        words = "the job reported failure" + (f" (exit code {self.exit_code})" if self.exit_code is not None else "")
        return f"{words}: {self.message}" if self.message else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """The period and grace of a service that are in force now."""

    period: timedelta
    grace: timedelta

    @classmethod
    def of(cls, service: Service) -> "Rhythm":
        settings, _problems = KINDS[KIND].read(service.check_settings)
        if not isinstance(settings, HeartbeatSettings):  # only if an older release stored them
            settings = HeartbeatSettings()
        return cls(period=timedelta(seconds=settings.period), grace=timedelta(seconds=settings.grace))

    @property
    def interval_ms(self) -> int:
        """Return the period, or more if the grace is so long that a check must count for longer."""
        spoken = Fraction((self.period + self.grace) // timedelta(milliseconds=1)) / REPORTED.gap_factor
        return min(max(self.period // timedelta(milliseconds=1), ceil(spoken)), LONGEST_INTERVAL_MS)


def has_door(service: Service) -> bool:
    return Heartbeat.objects.filter(service=service).exists()


def open_door(service: Service) -> str:
    """Create a token for pings of a service and return it. It replaces an earlier one; only its hash is stored."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    Heartbeat.objects.update_or_create(service=service, defaults={"token_hash": _hash(token)})
    return token


@transaction.atomic
def ping(token: str, report: Report, now: datetime) -> Answer:
    """Record the ping of a token's holder."""
    found = Heartbeat.objects.filter(token_hash=_hash(token), service__archived_at=None, service__kind=KIND)
    heartbeat = found.select_related("service").select_for_update(of=("self",)).first()
    if heartbeat is None:
        return Answer.UNKNOWN
    before = heartbeat.started_at if report.has_started else heartbeat.last_ping_at
    if before is not None and timedelta() <= now - before < LEAST_PING_INTERVAL:
        return Answer.TOO_OFTEN
    if report.has_started:
        heartbeat.started_at = now
    else:
        result = _result_of(heartbeat, report, now)
        heartbeat.last_ping_at, heartbeat.started_at = now, None
        _schedule(heartbeat, now)
        if heartbeat.service.is_active:
            tally.count(recording.record([result], now))
    heartbeat.save()
    return Answer.TAKEN


@transaction.atomic
def mark_overdue(now: datetime) -> int:
    """Record a bad check for each deadline that passed without a ping; return how many. Two queries if none did."""
    wait_briefly()
    _follow_new_settings(now)
    overdue = _monitored().filter(overdue_at__lte=now).order_by("overdue_at")
    late = list(overdue.select_related("service").select_for_update(of=("self",), skip_locked=True)[:BATCH])
    if not late or blindness.is_blind():  # pings cannot reach us; deadlines meanwhile are treated as not checked
        return 0
    results = []
    for heartbeat in late:
        rhythm, deadline = Rhythm.of(heartbeat.service), heartbeat.overdue_at
        assert deadline is not None
        if now - deadline > max(LOOK_LATE_AFTER, rhythm.grace):
            logger.warning(
                "deadline passed while the engine was not running", extra={"service_id": heartbeat.service_id}
            )
            heartbeat.due_at = now + rhythm.period
            heartbeat.overdue_at = heartbeat.due_at + rhythm.grace
            continue
        results.append(_silence_of(heartbeat, rhythm))
        # Each further period of silence adds a bad check, so that the outage continues.
        heartbeat.overdue_at = deadline + rhythm.period * ((now - deadline) // rhythm.period + 1)
    if results:
        tally.count(recording.record(results, now))
    Heartbeat.objects.bulk_update(late, ["due_at", "overdue_at"])
    return len(results)


def _follow_new_settings(now: datetime) -> None:
    """Compute the deadline again from the last ping if the settings of a service have changed since.

    If that ping is in the future, because a clock was ahead, the deadline is computed from `now`.
    """
    is_other = ~Q(version=F("service__version")) | Q(last_ping_at__gt=now + AHEAD)
    other = _monitored().filter(is_other, last_ping_at__isnull=False)
    changed = list(other.select_related("service").select_for_update(of=("self",), skip_locked=True)[:BATCH])
    for heartbeat in changed:
        assert heartbeat.last_ping_at is not None
        heartbeat.last_ping_at = min(heartbeat.last_ping_at, now)
        _schedule(heartbeat, heartbeat.last_ping_at)
        heartbeat.overdue_at = max(heartbeat.overdue_at or now, now)
    if changed:
        Heartbeat.objects.bulk_update(changed, ["last_ping_at", "due_at", "overdue_at", "version"])


def _monitored() -> QuerySet[Heartbeat]:
    return Heartbeat.objects.filter(service__is_active=True, service__archived_at=None, service__kind=KIND)


def _schedule(heartbeat: Heartbeat, pinged_at: datetime) -> None:
    rhythm = Rhythm.of(heartbeat.service)
    heartbeat.due_at = pinged_at + rhythm.period
    heartbeat.overdue_at = heartbeat.due_at + rhythm.grace
    heartbeat.version = heartbeat.service.version


def _result_of(heartbeat: Heartbeat, report: Report, now: datetime) -> ProbeResult:
    took = now - heartbeat.started_at if heartbeat.started_at else timedelta()
    return _check(
        heartbeat.service,
        to_ms(now),
        Verdict.BAD if report.has_failed else Verdict.OK,
        ErrorType.UNKNOWN if report.has_failed else None,
        report.words,
        total_ms=max(0.0, took / timedelta(milliseconds=1)),
    )


def _silence_of(heartbeat: Heartbeat, rhythm: Rhythm) -> ProbeResult:
    assert heartbeat.overdue_at is not None
    words = (
        f"no ping since {heartbeat.last_ping_at:%Y-%m-%d %H:%M:%S} UTC;"
        f" expected every {_duration(rhythm.period)}, grace {_duration(rhythm.grace)}"
    )
    if heartbeat.started_at:
        words += f"; the job began at {heartbeat.started_at:%Y-%m-%d %H:%M:%S} UTC and reported no end"
    return _check(heartbeat.service, to_ms(heartbeat.overdue_at), Verdict.BAD, ErrorType.TIMEOUT, words)


def _check(
    service: Service,
    at_ms: int,
    verdict: Verdict,
    error_type: ErrorType | None,
    words: str | None,
    total_ms: float = 0.0,
) -> ProbeResult:
    return ProbeResult(
        service_id=service.id,
        region=service.regions[0],
        checked_at_ms=at_ms,
        interval_ms=Rhythm.of(service).interval_ms,
        timeout_ms=service.timeout,
        lateness_ms=0.0,
        verdict=verdict,
        status_code=None,
        error_type=error_type,
        error_message=words,
        phases=Phases(total_ms=total_ms),
        requests=(),
    )


def _duration(length: timedelta) -> str:
    """Format a length of time exactly, in at most two units, the largest possible."""
    seconds, parts = int(length.total_seconds()), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
