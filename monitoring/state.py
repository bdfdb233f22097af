"""Fold checks into the state of a service: its runs, its status, and what changed. Pure: values in, values out."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from monitoring.probes.model import Verdict

RECHECK_MS = 5_000


class Status(StrEnum):
    """What a service is now, in the codes of `services.status`."""

    OPERATIONAL = "o"
    PARTIAL = "po"
    DOWN = "mo"
    UNKNOWN = "nd"


class Cause(StrEnum):
    """Why a status changed."""

    MEASURED = "measured"  # a check arrived where nothing was known
    FAILED = "failed"  # enough failures in a row
    SLOW = "slow"
    RECOVERED = "recovered"
    SILENT = "silent"  # no check arrived for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How checks become a status. The defaults are those of the accounting policy."""

    failure_threshold: int = 2  # consecutive bad checks that make a service down, from the first of them on
    recovery_threshold: int = 1  # consecutive good checks that end it, from the first of them on
    gap_factor: Fraction = Fraction(5, 2)  # a check speaks for at most this many intervals
    partial_weight_percent: int = 100  # how much of partial time counts as up
    counts_maintenance: bool = False  # True: maintenance is accounted as measured
    maintenance_notice_s: int = 0  # how long before it begins maintenance must have been entered
    counts_late: bool = False  # True: what was entered too late is accounted as measured

    def hold_s(self, interval_ms: int) -> int:
        """Return for how many whole seconds one check speaks, rounded up."""
        factor = self.gap_factor
        return -(-factor.numerator * interval_ms // (factor.denominator * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the service as a whole: of its only region, or folded from several."""

    at: datetime  # the slot
    verdict: Verdict
    interval_ms: int
    timeout_ms: int
    # False when a good check of one region arrives while the others' bad ones still outvote it.
    may_confirm: bool = True
    is_doubtful: bool = False  # bad, but it may be our own network: it counts, and yet opens no outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Equal verdicts in a row without a gap."""

    verdict: Verdict
    first_at: datetime
    last_at: datetime
    check_count: int
    hold_s: int  # for how long each of its checks speaks
    # The check before the last, where known, for the last may be taken back. Not part of what a run is.
    previous_at: datetime | None = field(default=None, compare=False)

    @classmethod
    def of(cls, verdict: Verdict, at: datetime, hold_s: int) -> "Run":
        """Make the run of a single check."""
        return cls(verdict=verdict, first_at=at, last_at=at, check_count=1, hold_s=hold_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A status change and its edge: after `edge_start_at` (None: nothing was seen before), by `edge_end_at`."""

    from_status: Status
    to_status: Status
    cause: Cause
    edge_start_at: datetime | None
    edge_end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that later checks of a service depend on."""

    status: Status = Status.UNKNOWN  # what people are told
    is_down: bool = False  # confirmed; survives a gap, unlike the status
    run: Run | None = None  # the open run; its last check is the newest one
    streak_first_at: datetime | None = None  # of the checks in a row that contradict `is_down`
    streak_last_at: datetime | None = None  # the newest that counted: one slot counts once, however many regions answer
    streak_count: int = 0
    last_good_at: datetime | None = None
    last_bad_at: datetime | None = None
    stale_at: datetime | None = None  # without another check by then the status is unknown
    recheck_at: datetime | None = None  # when to confirm a first failure, ahead of the next slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of the state, the run that ended, and the change to tell, if any."""

    state: State
    closed_run: Run | None = None
    change: Change | None = None


def advance(state: State, check: Check, policy: Policy) -> Step:
    """Fold a check that is not older than the newest one into the state.

    Raises ValueError for an older check: those are stored and their runs rebuilt, but they never open an outage.
    """
    if state.run is not None and check.at < state.run.last_at:
        raise ValueError(f"check at {check.at} is older than the newest one at {state.run.last_at}")
    hold_s = policy.hold_s(check.interval_ms)
    has_gap = state.run is None or is_gap(state.run, check.at)
    run, closed_run = join(state.run, Run.of(check.verdict, check.at, hold_s))
    streak_first_at, streak_last_at, streak_count = _count_streak(state, check, has_gap)
    threshold = policy.recovery_threshold if state.is_down else policy.failure_threshold
    flips = streak_count >= threshold and not check.is_doubtful
    is_down = state.is_down ^ flips
    status = _status(state.status, is_down, check.verdict)
    is_bad = check.verdict is Verdict.BAD
    advanced = State(
        status=status,
        is_down=is_down,
        run=run,
        streak_first_at=None if flips else streak_first_at,
        streak_last_at=None if flips else streak_last_at,
        streak_count=0 if flips else streak_count,
        last_good_at=state.last_good_at if is_bad else check.at,
        last_bad_at=check.at if is_bad else state.last_bad_at,
        stale_at=check.at + timedelta(seconds=hold_s, milliseconds=check.timeout_ms),
        recheck_at=_recheck_at(check) if is_bad and not is_down else None,
    )
    change = None if status is state.status else _change(state, status, check, streak_first_at if flips else check.at)
    return Step(state=advanced, closed_run=closed_run, change=change)


def fall_silent(state: State, now: datetime) -> Step:
    """Make the status unknown once no check has arrived for too long. The confirmed state and the runs stay."""
    if state.run is None or state.stale_at is None or now < state.stale_at or state.status is Status.UNKNOWN:
        return Step(state=state)
    change = Change(
        from_status=state.status,
        to_status=Status.UNKNOWN,
        cause=Cause.SILENT,
        edge_start_at=state.run.last_at,
        edge_end_at=state.run.last_at + timedelta(seconds=state.run.hold_s),
    )
    return Step(state=replace(state, status=Status.UNKNOWN, recheck_at=None), change=change)


def join(run: Run | None, following: Run) -> tuple[Run, Run | None]:
    """Join a run and the one that follows; return the run that is open then, and the one that this closed, if any."""
    if run is None:
        return following, None
    if _seconds_between(run.last_at, following.first_at) == 0:
        # Several regions answered for one slot: the last word counts, and the one before is taken back.
        if run.check_count == 1:
            return following, None
        run = replace(run, last_at=run.previous_at or run.last_at, previous_at=None, check_count=run.check_count - 1)
    is_alike = run.verdict is following.verdict and run.hold_s == following.hold_s
    if not is_alike or is_gap(run, following.first_at):
        return following, run
    joined = Run(
        verdict=run.verdict,
        first_at=run.first_at,
        last_at=following.last_at,
        check_count=run.check_count + following.check_count,
        hold_s=run.hold_s,
        previous_at=run.last_at if following.check_count == 1 else following.previous_at,
    )
    return joined, None


def is_gap(run: Run, at: datetime) -> bool:
    """Tell whether a check at this instant comes after the run's last one has ceased to speak."""
    return _seconds_between(run.last_at, at) > run.hold_s


def fold_regions(verdicts: Collection[Verdict], quorum: int) -> Verdict:
    """Make one verdict of the regions' newest ones: bad when the quorum is, slow when some are bad or slow, else ok."""
    bad = sum(verdict is Verdict.BAD for verdict in verdicts)
    # Regions that fell silent have no say, so they cannot keep the others from agreeing.
    if bad >= min(quorum, len(verdicts)):
        return Verdict.BAD
    return Verdict.OK if all(verdict is Verdict.OK for verdict in verdicts) else Verdict.SLOW


def _count_streak(state: State, check: Check, has_gap: bool) -> tuple[datetime | None, datetime | None, int]:
    """Count the slots in a row that contradict the confirmed state: first, last, how many. A gap restarts the count."""
    if (check.verdict is Verdict.BAD) is state.is_down:
        return None, None, 0
    if has_gap or state.streak_last_at is None:
        return check.at, check.at, 1
    if not check.may_confirm or _seconds_between(state.streak_last_at, check.at) == 0:
        return state.streak_first_at, state.streak_last_at, state.streak_count
    return state.streak_first_at, check.at, state.streak_count + 1


def _status(before: Status, is_down: bool, verdict: Verdict) -> Status:
    if is_down:
        return Status.DOWN
    if verdict is Verdict.BAD:
        return before  # not confirmed yet: neither an outage nor a reason to call an unmeasured service operational
    return Status.PARTIAL if verdict is Verdict.SLOW else Status.OPERATIONAL


def _recheck_at(check: Check) -> datetime | None:
    """Confirm a failure 5 s later, unless the next slot comes as soon."""
    return check.at + timedelta(milliseconds=RECHECK_MS) if check.interval_ms > RECHECK_MS else None


def _change(before: State, status: Status, check: Check, first_at: datetime | None) -> Change:
    """Describe a change of status; `first_at` is the first check that showed the new one."""
    if before.status is Status.UNKNOWN:
        cause, edge_start_at = Cause.MEASURED, before.run.last_at if before.run else None
        if first_at and edge_start_at and edge_start_at >= first_at:  # the checks before this one told the same
            edge_start_at = before.last_good_at
    elif status is Status.DOWN:
        cause, edge_start_at = Cause.FAILED, before.last_good_at
    elif before.status is Status.DOWN:
        cause, edge_start_at = Cause.RECOVERED, before.last_bad_at
    else:
        cause = Cause.SLOW if status is Status.PARTIAL else Cause.RECOVERED
        edge_start_at = before.run.last_at if before.run else None
    return Change(
        from_status=before.status,
        to_status=status,
        cause=cause,
        edge_start_at=edge_start_at,
        edge_end_at=first_at or check.at,
    )


def _seconds_between(earlier: datetime, later: datetime) -> int:
    """Return whole seconds between two instants, each floored first, as the accounting does."""
    delta = later - earlier
    microseconds = delta.microseconds + earlier.microsecond - later.microsecond  # of whole seconds
    return delta.days * 86_400 + delta.seconds + microseconds // 1_000_000
