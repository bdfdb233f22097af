"""Generate the sample checks of a service, with the runs and changes that the engine would have recorded.

The functions are pure. The checks have the slots of a real service, including rechecks, and follow the behaviour of the
live target. `monitoring.rules.state`, which also folds real checks, computes runs and changes from them. So raw checks,
runs, changes and the state from which the engine continues always agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from monitoring.probes.model import ErrorType, Phases, Verdict
from monitoring.probes.net.timeline import longest
from monitoring.rules.state import Change, Check, Policy, Run, State, advance
from monitoring.rules.unix_time import from_ms, to_ms
from slamonitor.demo.behaviours import SLOW_OVER_MS, Answer

RECENT = timedelta(days=8)  # a day more than hourly charts show
RECENT_INTERVAL_MS, EARLIER_INTERVAL_MS = 30_000, 600_000  # so that 90 days take only seconds to generate
TIMEOUT_MS = 2_000
CONNECT_MS = 0.2


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """One generated check."""

    at: datetime
    interval_ms: int
    verdict: Verdict
    response_ms: float
    status_code: int | None
    error_type: ErrorType | None
    message: str | None


@dataclass(slots=True)
class Past:
    """The generated checks of a service, with their runs and changes. The open run is in the state."""

    checks: list[SampleCheck] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    changes: list[tuple[Change, SampleCheck]] = field(default_factory=list)
    state: State = field(default_factory=State)


def make_up(
    ask: Callable[[datetime], Answer],
    *,
    since: datetime,
    until: datetime,
    phase_ms: Callable[[int], int],
    policy: Policy,
) -> Past:
    """Generate checks at every slot of [since, until), and rechecks after first failures.

    `phase_ms` returns the phase of the slots for an interval; recent days have a shorter interval.
    """
    past = Past()
    recent = max(since, until - RECENT)
    for start, end, interval_ms in (since, recent, EARLIER_INTERVAL_MS), (recent, until, RECENT_INTERVAL_MS):
        slot_ms = to_ms(start) + (phase_ms(interval_ms) - to_ms(start)) % interval_ms
        while slot_ms < to_ms(end):
            _fold(past, _check(ask, from_ms(slot_ms), interval_ms), policy)
            slot_ms += interval_ms
            recheck_at = past.state.recheck_at
            if recheck_at is not None and recheck_at < end:
                _fold(past, _check(ask, recheck_at, interval_ms), policy)
    return past


def _check(ask: Callable[[datetime], Answer], at: datetime, interval_ms: int) -> SampleCheck:
    """Return the check of an answer, with the verdict that the HTTP probe would give."""
    found = ask(at)
    if found.latency_ms > TIMEOUT_MS:
        words = f"no answer within {TIMEOUT_MS / 1000:g} s: connected, waiting for the first byte"
        return SampleCheck(at, interval_ms, Verdict.BAD, TIMEOUT_MS, None, ErrorType.TIMEOUT, words)
    if found.status != HTTPStatus.OK:
        words = f"answered {found.status} {found.status.phrase}"
        return SampleCheck(at, interval_ms, Verdict.BAD, found.latency_ms, found.status, ErrorType.HTTP, words)
    if found.latency_ms > SLOW_OVER_MS:
        phases = Phases(connect_ms=CONNECT_MS, first_byte_ms=found.latency_ms - CONNECT_MS, total_ms=found.latency_ms)
        words = f"took {found.latency_ms:.0f} ms, more than {SLOW_OVER_MS} ms{longest(phases)}"
        return SampleCheck(at, interval_ms, Verdict.SLOW, found.latency_ms, found.status, None, words)
    return SampleCheck(at, interval_ms, Verdict.OK, found.latency_ms, found.status, None, None)


def _fold(past: Past, check: SampleCheck, policy: Policy) -> None:
    step = advance(
        past.state,
        Check(
            at=check.at,
            verdict=check.verdict,
            interval_ms=check.interval_ms,
            timeout_ms=TIMEOUT_MS,
            hold_s=policy.hold_s(check.interval_ms),
        ),
        policy,
    )
    past.state = step.state
    past.checks.append(check)
    if step.closed_run:
        past.runs.append(step.closed_run)
    past.changes += [(change, check) for change in step.changes]
