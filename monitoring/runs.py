"""Store runs, and rebuild them where a check arrived late.

A late check changes the runs only around itself. So a stretch around it is encoded anew from the raw checks and joined
with what the runs had left and right of it; a run of many weeks need not be read again for one straggler.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring import counters
from monitoring.models import CheckRun
from monitoring.probes.model import Verdict
from monitoring.spoken_checks import SpokenChecks
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
    around = SpokenChecks(held.service_id).between(min(late), max(late))
    margin = timedelta(seconds=policy.hold_s(max(check.interval_ms for check in around)))
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
    stretch = Stretch(checks=SpokenChecks(held.service_id), since=since, until=until, late=late)
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
    """A stretch of a service's checks, `since` and `until` included, that is encoded anew."""

    checks: SpokenChecks
    since: datetime
    until: datetime
    late: Sequence[datetime]

    def encode(self, held: LockedState, margin: timedelta, policy: Policy) -> Iterator[Run]:
        """Yield a run for each check of the stretch; those of several regions are folded as when they arrived."""
        newest: dict[str, Run] = {}
        for at, region, verdict, interval_ms in self.checks.between(self.since - margin, self.until):
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
        last_at = self.checks.last_before(self.since)
        # Counted from the end, as the beginning may be weeks away; the late checks were not in the run's count.
        inside = self.checks.count(self.since, run.last_at)
        late = sum(at <= run.last_at for at in self.late)
        return [replace(run, last_at=last_at or self.since, check_count=max(1, run.check_count - inside + late))]

    def after(self, runs: Sequence[Run]) -> list[Run]:
        """Return what a run had after the stretch."""
        if not runs or runs[-1].last_at <= self.until:
            return []
        first_at = self.checks.first_after(self.until)
        assert first_at is not None, "the run's last check comes after"
        return [replace(runs[-1], first_at=first_at, check_count=self.checks.count(first_at, runs[-1].last_at))]


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
