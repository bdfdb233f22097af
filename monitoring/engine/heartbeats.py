"""Heartbeats: services that report to us. A ping is a check, and silence at the deadline is a bad check.

A start is no check. It begins a run, with an id if runs overlap; the check at its end has its duration. Where runs have
a limit of their own (`max_run`), a start in time is enough for the period, and a run that takes longer is a bad check.

A check of a heartbeat counts until the next deadline, so no time between two pings is unknown. If the monitor did not
check deadlines for longer than the grace, it may have missed a punctual ping, so silence proves nothing: the job gets
one more period.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator
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
MILLISECOND = timedelta(milliseconds=1)
LONGEST_INTERVAL_MS = 2**31 - 1
MESSAGE_LENGTH = 500
MOST_RUNS = 50  # open ones of a service; the oldest are forgotten
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
    run_id: str = ""  # of overlapping runs
    took_ms: float | None = None  # as the job measured it itself

    @property
    def words(self) -> str | None:
        if not self.has_failed:
            return self.message or None
        words = "the job reported failure" + (f" (exit code {self.exit_code})" if self.exit_code is not None else "")
        return f"{words}: {self.message}" if self.message else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """The times of a service that are in force now."""

    settings: HeartbeatSettings

    @classmethod
    def of(cls, service: Service) -> "Rhythm":
        settings, _problems = KINDS[KIND].read(service.check_settings)
        if not isinstance(settings, HeartbeatSettings):  # only if an older release stored them
            settings = HeartbeatSettings()
        return cls(settings=settings)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.settings.grace)

    @property
    def max_run(self) -> timedelta | None:
        return timedelta(seconds=self.settings.max_run) if self.settings.max_run else None

    @property
    def words(self) -> str:
        settings = self.settings
        expected = (
            f"every {_duration(timedelta(seconds=settings.period))}"
            if settings.schedule is None
            else f"at {settings.schedule} ({settings.time_zone})"
        )
        return f"expected {expected}, grace {_duration(self.grace)}"

    def due_after(self, at: datetime) -> datetime:
        return self.settings.due_after(at)

    def overdue_after(self, overdue: datetime, now: datetime) -> datetime:
        """Return the first deadline after now: each further one of silence adds a bad check."""
        if self.settings.schedule is None:
            period = timedelta(seconds=self.settings.period)
            return overdue + period * ((now - overdue) // period + 1)
        return self.due_after(now - self.grace) + self.grace

    def interval_ms(self, at: datetime) -> int:
        """Return the interval of a check, which counts for longer than until the deadline after the next one."""
        due = self.due_after(at)
        spoken = Fraction((due + self.grace + (self.max_run or timedelta()) - at) // MILLISECOND)
        period = max(due - at, self.due_after(due) - due) // MILLISECOND
        return min(max(period, ceil(spoken / REPORTED.gap_factor)), LONGEST_INTERVAL_MS)


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
    heartbeat = _known(token).select_related("service").select_for_update(of=("self",)).first()
    if heartbeat is None:
        return Answer.UNKNOWN
    before = _last_start(heartbeat) if report.has_started else heartbeat.last_ping_at
    # Runs that overlap may end together; a check is kept for each millisecond.
    least = 2 * MILLISECOND if report.run_id in (heartbeat.runs or {}) else LEAST_PING_INTERVAL
    if before is not None and timedelta() <= now - before < least:
        return Answer.TOO_OFTEN
    if report.has_started:
        _begin(heartbeat, report.run_id, now)
    else:
        began = _end(heartbeat, report.run_id)
        result = _result_of(heartbeat, report, began, now)
        heartbeat.last_ping_at = now
        _schedule(heartbeat, now, began)
        if heartbeat.service.is_active:
            tally.count(recording.record([result], now))
    heartbeat.save()
    return Answer.TAKEN


def note(token: str, message: str) -> Answer:
    """Log the message of a job, which says nothing about how it goes."""
    service_id = _known(token).values_list("service_id", flat=True).first()
    if service_id is None:
        return Answer.UNKNOWN
    logger.info("message of a job", extra={"service_id": service_id, "said": message})
    return Answer.TAKEN


@transaction.atomic
def mark_overdue(now: datetime) -> int:
    """Record a bad check for each deadline that passed without a ping; return how many. Two queries if none did."""
    wait_briefly()
    _follow_new_settings(now)
    overdue = _monitored().filter(Q(overdue_at__lte=now) | Q(run_overdue_at__lte=now)).order_by("overdue_at")
    late = list(overdue.select_related("service").select_for_update(of=("self",), skip_locked=True)[:BATCH])
    if not late or blindness.is_blind():  # pings cannot reach us; deadlines meanwhile are treated as not checked
        return 0
    results = [result for heartbeat in late for result in _late(heartbeat, now)]
    if results:
        tally.count(recording.record(results, now))
    Heartbeat.objects.bulk_update(late, ["due_at", "overdue_at", "run_overdue_at"])
    return len(results)


def _late(heartbeat: Heartbeat, now: datetime) -> Iterator[ProbeResult]:
    """Yield the bad checks of the deadlines of a service that have passed, and set the next ones."""
    rhythm, deadline, run_deadline = Rhythm.of(heartbeat.service), heartbeat.overdue_at, heartbeat.run_overdue_at
    trust = max(LOOK_LATE_AFTER, rhythm.grace)
    if run_deadline is not None and run_deadline <= now:
        _watch_runs(heartbeat, rhythm, now)
        if rhythm.max_run is not None and now - run_deadline <= trust:
            yield _too_long(heartbeat, rhythm.max_run, run_deadline)
    if deadline is None or deadline > now:
        return
    if now - deadline > trust:
        logger.warning("deadline passed while the engine was not running", extra={"service_id": heartbeat.service_id})
        heartbeat.due_at = rhythm.due_after(now)
        heartbeat.overdue_at = heartbeat.due_at + rhythm.grace
        return
    yield _silence_of(heartbeat, rhythm)
    heartbeat.overdue_at = rhythm.overdue_after(deadline, now)


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
        Heartbeat.objects.bulk_update(changed, ["last_ping_at", "due_at", "overdue_at", "run_overdue_at", "version"])


def _monitored() -> QuerySet[Heartbeat]:
    return Heartbeat.objects.filter(service__is_active=True, service__archived_at=None, service__kind=KIND)


def _known(token: str) -> QuerySet[Heartbeat]:
    return Heartbeat.objects.filter(token_hash=_hash(token), service__archived_at=None, service__kind=KIND)


def _schedule(heartbeat: Heartbeat, pinged_at: datetime, began: datetime | None = None) -> None:
    """Set the next deadline after a ping; where runs have a limit, after the start of the run."""
    rhythm = Rhythm.of(heartbeat.service)
    due = rhythm.due_after(began if began and rhythm.max_run else pinged_at)
    if rhythm.max_run and heartbeat.due_at and heartbeat.version == heartbeat.service.version:
        due = max(due, heartbeat.due_at)  # the end of an earlier run takes nothing from the start of a later one
    heartbeat.due_at, heartbeat.overdue_at = due, due + rhythm.grace
    heartbeat.version = heartbeat.service.version
    _watch_runs(heartbeat, rhythm, pinged_at)


def _begin(heartbeat: Heartbeat, run_id: str, now: datetime) -> None:
    if run_id:
        runs = {**(heartbeat.runs or {}), run_id: now.isoformat()}
        heartbeat.runs = dict(sorted(runs.items(), key=lambda run: run[1])[-MOST_RUNS:])
    else:
        heartbeat.started_at = now
    rhythm = Rhythm.of(heartbeat.service)
    if rhythm.max_run and heartbeat.last_ping_at:
        _schedule(heartbeat, now)
    else:
        _watch_runs(heartbeat, rhythm, now)


def _end(heartbeat: Heartbeat, run_id: str) -> datetime | None:
    """Close a run and return when it began; None if its start was not reported."""
    if not run_id:
        began, heartbeat.started_at = heartbeat.started_at, None
        return began
    text = (heartbeat.runs or {}).get(run_id)
    heartbeat.runs = {id: at for id, at in (heartbeat.runs or {}).items() if id != run_id} or None
    return datetime.fromisoformat(text) if text else None


def _starts(heartbeat: Heartbeat) -> list[datetime]:
    """Return when the open runs began, the earliest first."""
    alone = [heartbeat.started_at] if heartbeat.started_at else []
    return sorted([*alone, *map(datetime.fromisoformat, (heartbeat.runs or {}).values())])


def _last_start(heartbeat: Heartbeat) -> datetime | None:
    return max(_starts(heartbeat), default=None)


def _watch_runs(heartbeat: Heartbeat, rhythm: Rhythm, now: datetime) -> None:
    """Set the deadline of the open runs that is the next to pass."""
    limit = rhythm.max_run
    ends = [start + limit for start in _starts(heartbeat)] if limit else []
    heartbeat.run_overdue_at = min((end for end in ends if end > now), default=None)


def _result_of(heartbeat: Heartbeat, report: Report, began: datetime | None, now: datetime) -> ProbeResult:
    took_ms = max(0.0, (now - began) / MILLISECOND) if began else report.took_ms or 0.0
    return _check(
        heartbeat.service,
        now,
        Verdict.BAD if report.has_failed else Verdict.OK,
        ErrorType.UNKNOWN if report.has_failed else None,
        report.words,
        total_ms=took_ms,
    )


def _silence_of(heartbeat: Heartbeat, rhythm: Rhythm) -> ProbeResult:
    assert heartbeat.overdue_at is not None
    words = f"no ping since {_instant(heartbeat.last_ping_at)}; {rhythm.words}"
    if starts := _starts(heartbeat):
        words += f"; the job began at {_instant(starts[-1])} and reported no end"
    return _check(heartbeat.service, heartbeat.overdue_at, Verdict.BAD, ErrorType.TIMEOUT, words)


def _too_long(heartbeat: Heartbeat, limit: timedelta, at: datetime) -> ProbeResult:
    words = f"the job began at {_instant(at - limit)} and did not end within {_duration(limit)}"
    return _check(heartbeat.service, at, Verdict.BAD, ErrorType.TIMEOUT, words)


def _instant(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "ever"


def _check(
    service: Service,
    at: datetime,
    verdict: Verdict,
    error_type: ErrorType | None,
    words: str | None,
    total_ms: float = 0.0,
) -> ProbeResult:
    return ProbeResult(
        service_id=service.id,
        region=service.regions[0],
        checked_at_ms=to_ms(at),
        interval_ms=Rhythm.of(service).interval_ms(at),
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
