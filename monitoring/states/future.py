"""Correct states from the future: a clock was ahead when they were written, and has been corrected since.

Without a correction, every check would be late for such a state: no failure would be reported, and the status would not
change. So a state is reset to the checks up to now, and is unknown until the next check. Raw checks from the future are
kept, with a mark, and do not count. The check that is made when their time comes replaces them
(`sql/store_checks.sql`).
"""

import json
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q

from database.batches import batches
from database.sql import statement
from monitoring.checks.spoken_checks import SpokenChecks, end_of_second, start_of_second
from monitoring.config.clock import AHEAD
from monitoring.models import CheckRun, RegionState, ServiceState, Transition, WatchServerLog
from monitoring.models.raw import AHEAD_KEY, BLIND_KEY
from monitoring.rules.regions import FoldRules
from monitoring.rules.state import Cause, Change, Run, State, Status
from monitoring.states import counters, runs, state_rows, transitions
from monitoring.states.fold_rules import RuleBook
from monitoring.states.state_rows import LockedState

logger = logging.getLogger(__name__)

BATCH = 200
INSTANTS = ("run_last_at", "streak_first_at", "last_good_at", "last_bad_at")  # of a state; others follow from them
MARK = json.dumps({BLIND_KEY: "our clock was ahead", AHEAD_KEY: True})


class StatesAhead(Exception):
    """The states of some services are from the future; nothing can be recorded for them until they are corrected."""

    def __init__(self, service_ids: Collection[str]) -> None:
        super().__init__(f"{len(service_ids)} states stand in the future, such as that of {min(service_ids)}")
        self.service_ids = service_ids


def refuse(service_ids: Collection[str], now: datetime) -> None:
    """Raise `StatesAhead` if the states of some services are from the future. Two queries."""
    if found := _found(now, service_ids):
        raise StatesAhead(found)


def refuse_locked(locked: Iterable[LockedState], now: datetime) -> None:
    """Raise `StatesAhead` if some of the locked states are from the future. No query."""
    if found := [held.service_id for held in locked if _is_ahead(held.state, now)]:
        raise StatesAhead(found)


def correct_all(now: datetime) -> int:
    """Correct every state from the future, and return how many there were. Reads the state tables whole."""
    found = sorted(_found(now))
    return sum(correct(batch, now) for batch in batches(found, BATCH))


@transaction.atomic
def correct(service_ids: Collection[str], now: datetime) -> int:
    """Reset states to the checks up to now; return how many were still from the future."""
    locked = state_rows.lock(service_ids)
    ahead = [locked[id] for id in sorted(_found(now, locked))]
    if not ahead:
        return 0
    logger.error(
        "states stood in the future, so a clock was wrong: they are unknown until the next check",
        extra={"services": len(ahead), "first": ahead[0].service_id},
    )
    counters.add("states_ahead", len(ahead))
    taken_back = {held.service_id: _taken_back(held, now) for held in ahead}
    # After the runs, because their counts include the checks that are marked here.
    _mark(list(taken_back), now)
    rules = RuleBook(list(taken_back), now, now, settings.PAGE_TIME_ZONE)
    changed = []
    for held in ahead:
        if held.state.status is not Status.UNKNOWN:
            changed.append(_transition(held, taken_back[held.service_id], now))
        held.state = taken_back[held.service_id]
        if held.state.run is not None and len(held.regions) > 1:
            _fold_again(held, held.state.run, rules.of(held.service_id), now)
        runs.confirm(held)
    _correct_regions(list(taken_back), now)
    state_rows.save(ahead)
    transitions.record(changed)
    return len(ahead)


def _found(now: datetime, service_ids: Collection[str] | None = None) -> set[str]:
    bound = now + AHEAD
    is_ahead = reduce(or_, (Q((f"{name}__gt", bound)) for name in INSTANTS))
    of_services = ServiceState.objects.filter(is_ahead)
    of_regions = RegionState.objects.filter(checked_at__gt=bound)
    if service_ids is not None:
        of_services = of_services.filter(pk__in=service_ids)
        of_regions = of_regions.filter(service_id__in=service_ids)
    return {*of_services.values_list("pk", flat=True), *of_regions.values_list("service_id", flat=True)}


def _is_ahead(state: State, now: datetime) -> bool:
    run_last_at = state.run.last_at if state.run else None
    instants = (run_last_at, state.streak_first_at, state.last_good_at, state.last_bad_at)
    return any(at is not None and at > now + AHEAD for at in instants)


def _taken_back(held: LockedState, now: datetime) -> State:
    """Remove the part of runs after now; return the state with the newest remaining run open, and without a status."""
    state = held.state
    stored = CheckRun.objects.filter(service_id=held.service_id)
    touched = [*map(runs.of_row, stored.filter(last_at__gt=end_of_second(now)).order_by("first_at"))]
    stored.filter(last_at__gt=end_of_second(now)).delete()
    left = [_trimmed(held.service_id, run, now) for run in [*touched, *filter(None, [state.run])]]
    run = next((run for run in reversed(left) if run is not None), None)
    if run is None and (newest := stored.order_by("-first_at").first()):
        run = runs.of_row(newest)
        stored.filter(first_at=run.first_at).delete()  # the open run is stored only in the state
    if run is None:
        return State()
    spare = timedelta()  # the timeout: a check may still be running for so long after its slot
    if state.run is not None and state.stale_at is not None:
        spare = state.stale_at - state.run.last_at - timedelta(seconds=state.run.hold_s)
    stale_at = run.last_at + timedelta(seconds=run.hold_s) + max(spare, timedelta())
    return State(run=run, stale_at=stale_at)


def _trimmed(service_id: str, run: Run, now: datetime) -> Run | None:
    """Return the part of a run up to now, this second included."""
    cut = end_of_second(now)
    if run.first_at > cut:
        return None
    if run.last_at <= cut:
        return run
    checks = SpokenChecks(service_id)
    raw = WatchServerLog.objects.speaking().filter(service_id=service_id)
    # Raw checks only: decompressing days of many services would take long, and a run of days has raw checks.
    last_at = raw.filter(checked_at__gte=run.first_at, checked_at__lte=cut).aggregate(at=Max("checked_at"))["at"]
    after = len(checks.seconds(cut, run.last_at))
    last_at = last_at or checks.last_before(cut) or run.first_at
    return replace(run, last_at=last_at, check_count=max(1, run.check_count - after))


def _mark(service_ids: Sequence[str], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            statement("monitoring", "mark_checks_ahead"),
            {"service_ids": list(service_ids), "now": end_of_second(now), "mark": MARK},
        )


def _fold_again(held: LockedState, run: Run, rules: FoldRules, now: datetime) -> None:
    """Fold the end of the open run again, as some regions may have answered to its last slots and others not."""
    since = max(run.first_at, run.last_at - timedelta(seconds=run.hold_s))
    runs.rebuild_between(held, start_of_second(since), end_of_second(now), rules)


def _correct_regions(service_ids: Sequence[str], now: datetime) -> None:
    """Reset the answer of each region to its last check up to now, or delete it."""
    for row in RegionState.objects.filter(service_id__in=service_ids, checked_at__gt=now + AHEAD):
        own = RegionState.objects.filter(service_id=row.service_id, region=row.region)
        checks = WatchServerLog.objects.speaking().filter(service_id=row.service_id, region=row.region)
        since = now - timedelta(seconds=row.hold_s)
        newest = (
            checks.filter(checked_at__lte=end_of_second(now), checked_at__gte=since).order_by("-checked_at").first()
        )
        if newest is None:
            own.delete()
        else:
            own.update(checked_at=newest.checked_at, verdict=newest.verdict)


def _transition(held: LockedState, taken_back: State, now: datetime) -> Transition:
    change = Change(
        from_status=held.state.status,
        to_status=Status.UNKNOWN,
        cause=Cause.SILENT,
        edge_start_at=min(taken_back.run.last_at, now) if taken_back.run else None,
        edge_end_at=now,
    )
    return transitions.of_change(held.service_id, change, now)
