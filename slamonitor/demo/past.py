"""Make up the checks of a service in the past, and fold them as the engine would have. Pure: no database, no clock.

The checks come from the behaviour that the live target shows, at the slots that a service has, re-checks included; the
runs and changes come from `monitoring.rules.state`, which also folds real checks. So raw checks, runs, changes and the
state that the engine goes on from agree by construction.
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

RECENT = timedelta(days=8)  # what charts by the hour show
RECENT_INTERVAL_MS, EARLIER_INTERVAL_MS = 30_000, 600_000  # so that ninety days are made in seconds
TIMEOUT_MS = 2_000
CONNECT_MS = 0.2


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """One check that could have been made."""

    at: datetime
    interval_ms: int
    verdict: Verdict
    response_ms: float
    status_code: int | None
    error_type: ErrorType | None
    message: str | None


@dataclass(slots=True)
class Past:
    """The checks of a service, and what they fold into. The open run is in the state."""

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
    """Check a behaviour at every slot of [since, until), and a first failure once more as soon as the engine would.

    `phase_ms` tells the phase of the slots from their interval, which is shorter in recent days.
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
    """Judge an answer as the HTTP probe does."""
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
