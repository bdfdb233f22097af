"""Store runs, and rebuild them from the raw checks when a check arrived late or a run is wrong.

A late check changes runs only around its slot. So a stretch around it is encoded again from the raw checks and joined
with the runs before and after it; a run of many weeks is not read again for one late check. All stretches are of whole
seconds, as slots are.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Max, Min

from monitoring.checks.spoken_checks import Spoken, SpokenChecks, end_of_second, start_of_second
from monitoring.models import CheckRun
from monitoring.probes.model import Verdict
from monitoring.rules import sla
from monitoring.rules.regions import FoldRules, fold_slots, second_of
from monitoring.rules.state import Policy, Run, State, join
from monitoring.states import counters
from monitoring.states.state_rows import LockedState

Key = tuple[datetime, str]  # of a raw check of the service: its instant and region
LONGEST_INTERVAL = timedelta(days=1)


def store(runs: Sequence[tuple[str, Run]]) -> None:
    """Store closed runs by service id. One statement, none without runs."""
    if runs:
        CheckRun.objects.bulk_create(_row(service_id, run) for service_id, run in runs)


def remove(runs: Sequence[tuple[str, Run]]) -> None:
    """Delete stored runs, by service id, because they are open again. One statement, none without runs."""
    if runs:
        CheckRun.objects.filter(pk__in=[(service_id, run.first_at) for service_id, run in runs]).delete()


def rebuild(held: LockedState, late: Collection[Key], rules: FoldRules) -> tuple[datetime, datetime]:
    """Rebuild the runs of a locked service around checks that arrived late; their raw rows are stored already.

    The open run of the state may grow, shrink or split, and the confirmed state follows from the runs. The status that
    people see does not change until the next check. Returns the first and last instant of the rebuilt stretch.
    """
    first, last = min(at for at, _region in late), max(at for at, _region in late)
    around = SpokenChecks(held.service_id).between(first, last)
    margin = timedelta(seconds=max(rules.hold_s(check.checked_at, check.interval_ms) for check in around))
    stretch = start_of_second(first) - margin, end_of_second(last) + margin
    rebuild_between(held, *stretch, rules, late)
    counters.add("runs_rebuilt", 1)
    return stretch


def rebuild_between(
    held: LockedState,
    since: datetime,
    until: datetime,
    rules: FoldRules,
    late: Collection[Key] = (),
    *,
    is_whole: bool = False,
) -> None:
    """Encode the raw checks of a locked service from `since` to `until` again, and join them with the runs around.

    `since` must be the first and `until` the last instant of a second. `late` are the checks that no run counts yet.
    Checks after the newest slot of the state are left to `advance`, unless the stretch `is_whole`. In that case it
    contains every run that it touches, the open run of the state is rebuilt, too, and all stored checks are counted.
    """
    open_run = held.state.run
    if open_run is not None and not is_whole:
        until = min(until, end_of_second(open_run.last_at))
    touched = CheckRun.objects.filter(service_id=held.service_id, last_at__gte=since, first_at__lte=until)
    old = [of_row(row) for row in touched.order_by("first_at")]
    is_open_touched = _overlaps(open_run, since, until)
    if is_whole:
        is_open_touched = open_run is None or open_run.first_at <= until
    if open_run is not None and is_open_touched:
        old = sorted([*old, open_run], key=lambda run: run.first_at)
    new = list(join_all(_spliced(SpokenChecks(held.service_id), old, since, until, rules, late)))
    touched.delete()
    if is_open_touched:
        held.state = replace(held.state, run=new.pop() if new else None)
    store([(held.service_id, run) for run in new])
    confirm(held)


def join_all(runs: Iterable[Run]) -> Iterator[Run]:
    """Join consecutive runs of one verdict without a gap; `runs` must be in order of time."""
    current = None
    for run in runs:
        current, closed = join(current, run)
        if closed:
            yield closed
    if current:
        yield current


def confirm(held: LockedState) -> None:
    """Compute the confirmed state of a locked service, and the state before its newest slot, from its runs.

    Three queries, however many runs there are: it reads back to one that is long enough to decide the state.
    """
    runs = _deciding(held)
    if not runs:
        held.state = State(status=held.state.status, stale_at=held.state.stale_at)
        return
    before = _without_last_slot(runs, SpokenChecks(held.service_id))
    held.state = _follow(held.state, runs, held.policy)
    held.state = replace(held.state, before=_follow(State(status=held.state.status), before, held.policy))


def effect_of(held: LockedState, since: datetime, until: datetime, deciding: int) -> tuple[datetime, datetime | None]:
    """Return the start and end of the time whose accounting a change of runs in [since, until] may change.

    It is bounded by `deciding` checks of one verdict on each side, which count as the same whatever is next to them.
    The end is None if there are no such checks yet. Four queries at most.
    """
    stored = CheckRun.objects.filter(service_id=held.service_id)
    open_run = [held.state.run] if held.state.run else []

    def across(at: datetime) -> list[Run]:
        found = [*map(of_row, stored.filter(first_at__lt=at, last_at__gt=at)), *open_run]
        return [run for run in found if run.first_at < at < run.last_at]

    # A run of this length has at least so many checks, as each follows within the hold of the previous one.
    if any(since - run.first_at >= timedelta(seconds=deciding * run.hold_s) for run in across(since)):
        start = since
    else:
        before = stored.filter(check_count__gte=deciding, last_at__lt=since).aggregate(at=Max("last_at"))["at"]
        start = before or min(since, stored.aggregate(at=Min("first_at"))["at"] or since)
    if any(run.last_at - until >= timedelta(seconds=deciding * run.hold_s) for run in across(until)):
        return start, until
    end = stored.filter(check_count__gte=deciding, first_at__gt=until).aggregate(at=Min("first_at"))["at"]
    if end is None:
        end = next((run.first_at for run in open_run if run.first_at > until and run.check_count >= deciding), None)
    return start, end


def stretches_around(held: LockedState, since: datetime, until: datetime) -> list[sla.Stretch]:
    """Return the runs of a locked service around a stretch, from one that decides its state on. Three queries."""
    deciding = max(held.policy.failure_threshold, held.policy.recovery_threshold)
    stored = CheckRun.objects.filter(service_id=held.service_id)
    decisive = stored.filter(check_count__gte=deciding)
    start = decisive.filter(first_at__lte=since).aggregate(at=Max("first_at"))["at"]
    end = decisive.filter(first_at__gt=until).aggregate(at=Min("first_at"))["at"]
    rows = stored.filter(**({"first_at__gte": start} if start else {}), **({"first_at__lte": end} if end else {}))
    open_run = [held.state.run] if held.state.run and end is None else []
    return [_stretch(run) for run in [*map(of_row, rows.order_by("first_at")), *open_run]]


def _spliced(
    checks: SpokenChecks,
    old: Sequence[Run],
    since: datetime,
    until: datetime,
    rules: FoldRules,
    late: Collection[Key],
) -> Iterator[Run]:
    """Yield the runs up to a stretch, one run for each slot of the stretch, and the runs after it."""
    inside = checks.between(since, until)
    tail = _tail(checks, old[-1], until) if old and old[-1].last_at > until else None
    if old and old[0].first_at < since:
        counted = _counted(inside, old[0].last_at, late) + (tail.check_count if tail and len(old) == 1 else 0)
        yield _head(checks, old[0], since, counted)
    spoken = checks.newest_before(since, longest_hold(rules, since))
    for slot in fold_slots([*spoken, *inside], rules):
        if slot.at >= since:
            yield slot.run()
    if tail:
        yield tail


def _head(checks: SpokenChecks, run: Run, since: datetime, counted: int) -> Run:
    """Return the part of a run before a stretch; `counted` of its slots are in the stretch or after it.

    Slots are counted from the end, as the beginning may be weeks away.
    """
    last_at = checks.last_before(since)
    return replace(
        run, last_at=max(last_at or run.first_at, run.first_at), check_count=max(1, run.check_count - counted)
    )


def _tail(checks: SpokenChecks, run: Run, until: datetime) -> Run | None:
    """Return the part of a run after a stretch; None if its checks are no longer stored."""
    first_at = checks.first_slot_after(until)
    if first_at is None or first_at > run.last_at:
        return None
    seconds = checks.seconds(start_of_second(first_at), end_of_second(run.last_at))
    return replace(run, first_at=first_at, check_count=len(seconds))


def _counted(inside: Iterable[Spoken], last_at: datetime, late: Collection[Key]) -> int:
    """Count the slots of a stretch, up to the last of a run, that a run counts already."""
    keys = set(late)
    known = (check for check in inside if (check.checked_at, check.region) not in keys)
    return len({second for check in known if (second := second_of(check.checked_at)) <= second_of(last_at)})


def _overlaps(run: Run | None, since: datetime, until: datetime) -> bool:
    return run is not None and run.last_at >= since and run.first_at <= until


def longest_hold(rules: FoldRules, at: datetime) -> timedelta:
    return timedelta(seconds=rules.hold_s(at, LONGEST_INTERVAL // timedelta(milliseconds=1)))


def _deciding(held: LockedState) -> list[Run]:
    """Return the runs of a service from one that decides its state on, the open one last. Two queries."""
    stored = CheckRun.objects.filter(service_id=held.service_id)
    threshold = max(held.policy.failure_threshold, held.policy.recovery_threshold)
    if held.state.run is None:
        return []
    # The open run is not enough: without its last slot it may be too short to decide the state before that slot.
    since = stored.filter(check_count__gte=threshold).aggregate(at=Max("first_at"))["at"]
    rows = stored.filter(first_at__gte=since) if since else stored
    return [*map(of_row, rows.order_by("first_at")), held.state.run]


def _without_last_slot(runs: Sequence[Run], checks: SpokenChecks) -> list[Run]:
    *earlier, run = runs
    if run.check_count == 1:
        return earlier
    last_at = checks.last_before(start_of_second(run.last_at)) or run.first_at
    return [*earlier, replace(run, last_at=max(last_at, run.first_at), check_count=run.check_count - 1)]


def _follow(state: State, runs: Sequence[Run], policy: Policy) -> State:
    """Return the state with its confirmed part computed from runs, the last of which is open."""
    is_down, pending, streak = sla.standing([_stretch(run) for run in runs], policy)
    return replace(
        state,
        is_down=is_down,
        run=runs[-1] if runs else None,
        streak_first_at=runs[-pending].first_at if pending else None,
        streak_count=streak,
        last_good_at=max((run.last_at for run in runs if run.verdict is not Verdict.BAD), default=state.last_good_at),
        last_bad_at=max((run.last_at for run in runs if run.verdict is Verdict.BAD), default=state.last_bad_at),
    )


def _stretch(run: Run) -> sla.Stretch:
    return sla.Stretch(run.verdict, second_of(run.first_at), second_of(run.last_at), run.check_count, run.hold_s)


def _row(service_id: str, run: Run) -> CheckRun:
    return CheckRun(
        service_id=service_id,
        first_at=run.first_at,
        last_at=run.last_at,
        check_count=run.check_count,
        hold_s=run.hold_s,
        verdict=run.verdict,
    )


def of_row(row: CheckRun) -> Run:
    """Return a stored run as a value."""
    return Run(
        verdict=Verdict(row.verdict),
        first_at=row.first_at,
        last_at=row.last_at,
        check_count=row.check_count,
        hold_s=row.hold_s,
    )
