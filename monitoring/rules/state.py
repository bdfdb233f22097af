"""Fold checks into the state of a service: its runs, its status, its changes. Pure: values in, values out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from monitoring.probes.model import Verdict

RECHECK_MS = 5_000


class Status(StrEnum):
    """The status of a service, in the codes of `services.status`."""

    OPERATIONAL = "o"
    PARTIAL = "po"
    DOWN = "mo"
    UNKNOWN = "nd"


class Cause(StrEnum):
    """Why a status changed."""

    MEASURED = "measured"  # a check arrived while the status was unknown
    FAILED = "failed"  # enough failures in a row
    SLOW = "slow"
    RECOVERED = "recovered"
    SILENT = "silent"  # no check arrived for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules from checks to a status. The defaults are those of the accounting policy."""

    failure_threshold: int = 2  # consecutive bad checks that make a service down, from the first of them on
    recovery_threshold: int = 1  # consecutive good checks that end it, from the first of them on
    gap_factor: Fraction = Fraction(5, 2)  # a check counts for at most this many intervals
    partial_weight_percent: int = 100  # share of partial time that counts as up
    counts_maintenance: bool = False  # True: maintenance is accounted as measured
    maintenance_notice_s: int = 0  # how long before its start maintenance must be entered
    counts_late: bool = False  # True: late entries are accounted as measured

    def hold_s(self, interval_ms: int) -> int:
        """Return the hold of a check in whole seconds, rounded up."""
        factor = self.gap_factor
        return -(-factor.numerator * interval_ms // (factor.denominator * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the service as a whole: from its only region, or folded from several."""

    at: datetime  # the slot
    verdict: Verdict
    interval_ms: int
    timeout_ms: int
    hold_s: int  # for how long the check counts
    is_decided: bool = True  # False: regions that have not answered yet could change the verdict
    is_doubtful: bool = False  # bad, perhaps because of our own network: counts, but opens no outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Equal verdicts in a row without a gap."""

    verdict: Verdict
    first_at: datetime
    last_at: datetime
    check_count: int
    hold_s: int  # for how long each of its checks counts

    @classmethod
    def of(cls, verdict: Verdict, at: datetime, hold_s: int) -> "Run":
        """Return the run of a single check."""
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

    status: Status = Status.UNKNOWN  # as shown to people
    is_down: bool = False  # confirmed; survives a gap, unlike the status
    run: Run | None = None  # the open run; its last check is the newest one
    streak_first_at: datetime | None = None  # of the slots in a row that contradict `is_down`
    streak_count: int = 0
    last_good_at: datetime | None = None
    last_bad_at: datetime | None = None
    stale_at: datetime | None = None  # if no check arrives by then, the status becomes unknown
    recheck_at: datetime | None = None  # when to confirm a first failure, ahead of the next slot
    # The state before the newest slot, from which that slot is folded again as further regions answer. None: not known.
    before: "State | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The new state, the runs to write, and the changes to report, in order."""

    state: State
    closed_run: Run | None = None
    reopened_run: Run | None = None  # closed by an earlier answer to the newest slot, and now open again
    changes: tuple[Change, ...] = ()


def follows(state: State, at: datetime) -> bool:
    """Return whether `advance` accepts a check of this instant: of the newest slot, or of a later one."""
    if state.run is None:
        return True
    seconds = seconds_between(state.run.last_at, at)
    return seconds > 0 or (seconds == 0 and state.before is not None)


def advance(state: State, check: Check, policy: Policy) -> Step:
    """Fold a check into the state; the check must be of a later slot, or another answer to the newest one.

    The new state is a function of the checks alone: the newest slot is folded again from the state before it. Raises
    ValueError for an older check; those are stored and their runs rebuilt instead.
    """
    if not follows(state, check.at):
        raise ValueError(f"check at {check.at} does not follow the newest one at {state.run and state.run.last_at}")
    if state.run is not None and seconds_between(state.run.last_at, check.at) == 0 and state.before is not None:
        return _fold_again(state, state.before, check, policy)
    settled, told = _settle(state, check, policy)
    step = _fold(replace(settled, before=None), settled.status, check, policy)
    return replace(step, changes=(*told, *step.changes))


def _settle(state: State, check: Check, policy: Policy) -> tuple[State, tuple[Change, ...]]:
    """Settle the last slot although a region has not answered, because the next slot begins."""
    if state.before is None or check.is_doubtful or state.streak_count < _threshold(state, policy):
        return state, ()
    is_down = not state.is_down
    status = _status(state.status, is_down, state.run.verdict) if state.run else state.status
    flipped = replace(state, is_down=is_down, status=status, streak_first_at=None, streak_count=0)
    if status is state.status or state.streak_first_at is None:
        return flipped, ()
    return flipped, (_change(state, state.status, status, state.streak_first_at),)


def _fold_again(state: State, before: State, check: Check, policy: Policy) -> Step:
    """Fold the newest slot from the state before it, now that another region has answered."""
    step = _fold(before, state.status, check, policy)
    was_closed = before.run is not None and state.run is not None and before.run.first_at != state.run.first_at
    return replace(
        step,
        closed_run=None if was_closed else step.closed_run,
        reopened_run=before.run if was_closed and step.closed_run is None else None,
    )


def _fold(before: State, shown: Status, check: Check, policy: Policy) -> Step:
    """Fold a slot into the state before it; `shown` is the status that people see now."""
    has_gap = before.run is None or is_gap(before.run, check.at)
    run, closed_run = join(before.run, Run.of(check.verdict, check.at, check.hold_s))
    streak_first_at, streak_count = _count_streak(before, check, has_gap)
    flips = streak_count >= _threshold(before, policy) and check.is_decided and not check.is_doubtful
    is_down = not before.is_down if flips else before.is_down
    kept = before.status if shown is Status.DOWN else shown
    status = _status(kept, is_down, check.verdict)
    is_bad = check.verdict is Verdict.BAD
    advanced = State(
        status=status,
        is_down=is_down,
        run=run,
        streak_first_at=None if flips else streak_first_at,
        streak_count=0 if flips else streak_count,
        last_good_at=before.last_good_at if is_bad else check.at,
        last_bad_at=check.at if is_bad else before.last_bad_at,
        stale_at=check.at + timedelta(seconds=check.hold_s, milliseconds=check.timeout_ms),
        recheck_at=_recheck_at(check) if is_bad and not is_down else None,
        before=before,
    )
    first_at = streak_first_at if flips else check.at
    changes = () if status is shown else (_change(before, shown, status, first_at or check.at),)
    return Step(state=advanced, closed_run=closed_run, changes=changes)


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
    return Step(state=replace(state, status=Status.UNKNOWN, recheck_at=None), changes=(change,))


def join(run: Run | None, following: Run) -> tuple[Run, Run | None]:
    """Join a run and the one that follows; return the run that is open then, and the one that this closed, if any."""
    if run is None:
        return following, None
    is_alike = run.verdict is following.verdict and run.hold_s == following.hold_s
    if not is_alike or is_gap(run, following.first_at):
        return following, run
    count = run.check_count + following.check_count
    return replace(run, last_at=following.last_at, check_count=count), None


def is_gap(run: Run, at: datetime) -> bool:
    """Return whether a check at this instant comes after the hold of the run's last check."""
    return seconds_between(run.last_at, at) > run.hold_s


def _threshold(state: State, policy: Policy) -> int:
    return policy.recovery_threshold if state.is_down else policy.failure_threshold


def _count_streak(before: State, check: Check, has_gap: bool) -> tuple[datetime | None, int]:
    """Return the first of the consecutive slots that contradict the confirmed state, and their number.

    A gap restarts the count.
    """
    if (check.verdict is Verdict.BAD) is before.is_down:
        return None, 0
    if has_gap or before.streak_first_at is None:
        return check.at, 1
    return before.streak_first_at, before.streak_count + 1


def _status(before: Status, is_down: bool, verdict: Verdict) -> Status:
    if is_down:
        return Status.DOWN
    if verdict is Verdict.BAD:
        # Not confirmed yet: not an outage, and no evidence that an unmeasured service is operational.
        return Status.OPERATIONAL if before is Status.DOWN else before
    return Status.PARTIAL if verdict is Verdict.SLOW else Status.OPERATIONAL


def _recheck_at(check: Check) -> datetime | None:
    """Return when to recheck a failure: 5 s later, or None if the next slot comes by then."""
    return check.at + timedelta(milliseconds=RECHECK_MS) if check.interval_ms > RECHECK_MS else None


def _change(before: State, shown: Status, status: Status, first_at: datetime) -> Change:
    """Return the change of the status that people see; `first_at` is the first check with the new status."""
    if shown is Status.UNKNOWN:
        cause, edge_start_at = Cause.MEASURED, before.run.last_at if before.run else None
        if edge_start_at and edge_start_at >= first_at:  # the checks before this one had the same verdict
            edge_start_at = before.last_good_at
    elif status is Status.DOWN:
        cause, edge_start_at = Cause.FAILED, before.last_good_at
    elif shown is Status.DOWN:
        cause, edge_start_at = Cause.RECOVERED, before.last_bad_at
    else:
        cause = Cause.SLOW if status is Status.PARTIAL else Cause.RECOVERED
        edge_start_at = before.run.last_at if before.run else None
    return Change(from_status=shown, to_status=status, cause=cause, edge_start_at=edge_start_at, edge_end_at=first_at)


def seconds_between(earlier: datetime, later: datetime) -> int:
    """Return whole seconds between two instants, each floored first, as the accounting does."""
    delta = later - earlier
    microseconds = delta.microseconds + earlier.microsecond - later.microsecond  # of whole seconds
    return delta.days * 86_400 + delta.seconds + microseconds // 1_000_000
