"""Store runs, and rebuild them where a check arrived late.

A late check changes the runs only around itself. So a stretch around it is encoded anew from the raw checks and joined
with what the runs had left and right of it; a run of many weeks need not be read again for one straggler.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Max, Min, QuerySet

from monitoring import counters
from monitoring.models import CheckRun, WatchServerLog
from monitoring.probes.model import Verdict
from monitoring.state import Policy, Run, fold_regions, join
from monitoring.states import LockedState


def store(runs: Sequence[tuple[str, Run]]) -> None:
    """Store closed runs by service id. One statement, none without runs."""
    if runs:
        CheckRun.objects.bulk_create(_row(service_id, run) for service_id, run in runs)


def rebuild(held: LockedState, late: Sequence[datetime], policy: Policy) -> timedelta:
    """Rebuild the runs of a locked service around the checks that arrived late; their raw rows are stored already.

    The open run of the state may grow, shrink or split by it. The status and the confirmed state stay as they are.
    Returns how far around the late checks the runs may differ now.
    """
    margin = timedelta(seconds=_longest_hold_s(_raw(held), late, policy))
    rebuild_between(held, min(late) - margin, max(late) + margin, policy, late, margin)
    counters.add("runs_rebuilt", 1)
    return margin


def rebuild_between(
    held: LockedState,
    since: datetime,
    until: datetime,
    policy: Policy,
    late: Sequence[datetime] = (),
    margin: timedelta = timedelta(),
) -> None:
    """Encode the raw checks of a locked service from `since` to `until` anew, and join them with the runs around.

    `late` are those that no run has counted yet; `margin` is how far back a region's check may still speak.
    """
    touched = CheckRun.objects.filter(service_id=held.service_id, last_at__gte=since, first_at__lte=until)
    old = [_run(row) for row in touched.order_by("first_at")]
    open_run = held.state.run
    is_open_touched = open_run is not None and open_run.last_at >= since and open_run.first_at <= until
    if open_run is not None and is_open_touched:
        old.append(open_run)
    stretch = Stretch(raw=_raw(held), since=since, until=until, late=late)
    new = list(join_all([*stretch.before(old), *stretch.encode(held, margin, policy), *stretch.after(old)]))
    touched.delete()
    if is_open_touched:
        held.state = replace(held.state, run=new.pop())
    store([(held.service_id, run) for run in new])


def join_all(runs: Iterable[Run]) -> Iterator[Run]:
    """Join runs in order of time where nothing tells them apart."""
    current = None
    for run in runs:
        current, closed = join(current, run)
        if closed:
            yield closed
    if current:
        yield current


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a service's raw checks, `since` and `until` included, that is encoded anew."""

    raw: QuerySet[WatchServerLog]
    since: datetime
    until: datetime
    late: Sequence[datetime]

    def encode(self, held: LockedState, margin: timedelta, policy: Policy) -> Iterator[Run]:
        """Yield a run for each check of the stretch; those of several regions are folded as when they arrived."""
        rows = self.raw.filter(checked_at__gte=self.since - margin, checked_at__lte=self.until)
        newest: dict[str, Run] = {}
        for region, at, verdict, interval_ms in rows.order_by("checked_at", "region").values_list(
            "region", "checked_at", "verdict", "interval_ms"
        ):
            newest[region] = Run.of(Verdict(verdict), at, policy.hold_s(interval_ms))
            if at >= self.since:
                speaking = [run for run in newest.values() if run.last_at + timedelta(seconds=run.hold_s) >= at]
                folded = fold_regions([run.verdict for run in speaking], held.quorum)
                yield replace(newest[region], verdict=folded)

    def before(self, runs: Sequence[Run]) -> list[Run]:
        """Return what a run had before the stretch."""
        if not runs or runs[0].first_at >= self.since:
            return []
        run = runs[0]
        last_at = self.raw.filter(checked_at__lt=self.since).aggregate(Max("checked_at"))["checked_at__max"]
        # Counted from the end, as the beginning may be weeks away; the late checks were not in the run's count.
        inside = self.raw.filter(checked_at__gte=self.since, checked_at__lte=run.last_at).count()
        late = sum(at <= run.last_at for at in self.late)
        return [replace(run, last_at=last_at or self.since, check_count=max(1, run.check_count - inside + late))]

    def after(self, runs: Sequence[Run]) -> list[Run]:
        """Return what a run had after the stretch."""
        if not runs or runs[-1].last_at <= self.until:
            return []
        rest = self.raw.filter(checked_at__gt=self.until, checked_at__lte=runs[-1].last_at)
        first_at = rest.aggregate(Min("checked_at"))["checked_at__min"]
        return [replace(runs[-1], first_at=first_at, check_count=rest.count())]


def _raw(held: LockedState) -> QuerySet[WatchServerLog]:
    return WatchServerLog.objects.speaking().filter(service_id=held.service_id)


def _longest_hold_s(raw: QuerySet[WatchServerLog], late: Sequence[datetime], policy: Policy) -> int:
    rows = raw.filter(checked_at__gte=min(late), checked_at__lte=max(late))
    return policy.hold_s(rows.aggregate(Max("interval_ms"))["interval_ms__max"])


def _row(service_id: str, run: Run) -> CheckRun:
    return CheckRun(
        service_id=service_id,
        first_at=run.first_at,
        last_at=run.last_at,
        check_count=run.check_count,
        hold_s=run.hold_s,
        verdict=run.verdict,
    )


def _run(row: CheckRun) -> Run:
    return Run(
        verdict=Verdict(row.verdict),
        first_at=row.first_at,
        last_at=row.last_at,
        check_count=row.check_count,
        hold_s=row.hold_s,
    )
