"""Fold new checks into the states of their services: where a check becomes an outage.

Late checks are merged into the runs of the past instead; outages that only they reveal are reported afterwards.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings

from monitoring.accounting import rollup_requests
from monitoring.engine import late_outages
from monitoring.models import Transition
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.answers import response_ms
from monitoring.rules.regions import Answer, Panel, Slot, fold, second_of
from monitoring.rules.state import Check, Policy, Run, State, Status, Step, advance, follows
from monitoring.rules.unix_time import from_ms
from monitoring.states import future, runs, state_rows, transitions
from monitoring.states.fold_rules import PanelBook, RuleBook
from monitoring.states.state_rows import LockedState
from monitoring.worker.specs import trace_id


def fold_all(new: Sequence[ProbeResult], now: datetime, doubtful: Collection[str]) -> int:
    """Fold new checks into the states of their services and return the number of status changes.

    Bad checks of `doubtful` regions open no outage.
    """
    by_service: defaultdict[str, list[ProbeResult]] = defaultdict(list)
    for result in new:
        by_service[result.service_id].append(result)
    locked = state_rows.lock(by_service)
    future.refuse_locked(locked.values(), now)
    several = [id for id, held in locked.items() if len(held.regions) > 1]
    answers, panels = state_rows.answers_of(several), PanelBook(several)
    late = _late(by_service, locked)
    written = Written(changed=_rebuild(late, locked, answers, now))
    for service_id, held in locked.items():
        panel_at = partial(panels.at, service_id, current=held.panel)
        for result in by_service[service_id]:
            if not _is_news(held, result):
                continue  # a late check, already merged into the runs
            check = _check(held, result, answers.get(service_id), panel_at, result.region in doubtful)
            written.reach_back(service_id, _changes_from(held.state, check, now), check.at)
            step = advance(held.state, check, held.policy)
            held.state = step.state
            held.show(result)
            written.take(service_id, step)
            evidence = _evidence(service_id, result) if step.changes else None
            written.changed += [transitions.of_change(service_id, change, now, evidence) for change in step.changes]
    if locked:
        written.save(now)
        state_rows.save(locked.values())
        state_rows.save_answers(answers)
    transitions.record(written.changed, {id: held.state.status for id, held in locked.items()})
    return len(written.changed)


@dataclass(slots=True)
class Written:
    """The rows to write after the checks of a batch are folded into the states."""

    closed: list[tuple[str, Run]] = field(default_factory=list)
    reopened: list[tuple[str, Run]] = field(default_factory=list)
    changed: list[Transition] = field(default_factory=list)
    reaching_back: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    def take(self, service_id: str, step: Step) -> None:
        if step.reopened_run and (reopened := (service_id, step.reopened_run)) in self.closed:
            self.closed.remove(reopened)
        elif step.reopened_run:
            self.reopened.append((service_id, step.reopened_run))
        if step.closed_run:
            self.closed.append((service_id, step.closed_run))

    def reach_back(self, service_id: str, since: datetime, until: datetime) -> None:
        self.reaching_back.append((service_id, since, until))

    def save(self, now: datetime) -> None:
        """Write the runs, and request the roll-up of closed days that the checks change."""
        runs.remove(self.reopened)
        runs.store(self.closed)
        zone = settings.PAGE_TIME_ZONE
        accounted_until = rollup_requests.accounted_until(now, zone)
        rollup_requests.request_ranges([each for each in self.reaching_back if each[1] < accounted_until], now, zone)


def _late(
    by_service: Mapping[str, Sequence[ProbeResult]], locked: Mapping[str, LockedState]
) -> dict[str, list[ProbeResult]]:
    """Return the results that do not follow the newest slot of their service, by service; most batches have none."""
    late = {
        id: [result for result in by_service[id] if not follows(held.state, from_ms(result.checked_at_ms))]
        for id, held in locked.items()
    }
    return {id: results for id, results in late.items() if results}


def _rebuild(
    late: Mapping[str, Sequence[ProbeResult]],
    locked: Mapping[str, LockedState],
    answers: Mapping[str, dict[str, Answer]],
    now: datetime,
) -> list[Transition]:
    """Merge late results into the runs of their services, and request the roll-up of closed days that may change.

    Returns the transitions of outages that the late results reveal.
    """
    if not late:
        return []
    zone = settings.PAGE_TIME_ZONE
    since = min(from_ms(result.checked_at_ms) for results in late.values() for result in results)
    book = RuleBook(list(late), since, now, zone)
    ranges, changed = [], list[Transition]()
    for id, results in late.items():
        keys = [(from_ms(result.checked_at_ms), result.region) for result in results]
        stretch = runs.rebuild(locked[id], keys, book.of(id))
        start, end = runs.effect_of(locked[id], *stretch, book.deciding(id))
        ranges.append((id, start, end or now))
        for result in results if id in answers else ():
            _hear(answers[id], result, locked[id].policy)
        changed += _late_changes(locked[id], stretch, results, now)
    rollup_requests.request_ranges(ranges, now, zone)
    return changed


def _late_changes(
    held: LockedState, stretch: tuple[datetime, datetime], results: Sequence[ProbeResult], now: datetime
) -> list[Transition]:
    """Return the transitions of outages that late results confirm; the first bad result among them is the evidence."""
    bad = next((result for result in results if result.verdict is Verdict.BAD), results[0])
    since, until = map(second_of, stretch)
    changes = late_outages.untold(held, runs.stretches_around(held, *stretch), since, until)
    if changes and changes[-1].to_status is Status.DOWN:
        held.state = replace(held.state, status=Status.DOWN, recheck_at=None)
    of_outage = {**_evidence(held.service_id, bad), "is_late": True}
    return [
        transitions.of_change(
            held.service_id, change, now, of_outage if change.to_status is Status.DOWN else {"is_late": True}
        )
        for change in changes
    ]


def _is_news(held: LockedState, result: ProbeResult) -> bool:
    """Return whether a result belongs to the newest slot of the state, or to a later one, and so is folded into it."""
    at, run = from_ms(result.checked_at_ms), held.state.run
    if run is None or at >= run.last_at:
        return True
    # If a region sends several checks of one second, the last counts; different regions all count.
    return len(held.regions) > 1 and follows(held.state, at)


def _changes_from(state: State, check: Check, now: datetime) -> datetime:
    """Return the instant from which the newest check may change accounted time; `now` if it arrived in time.

    If it arrived after the hold of the open run, because the database or the broker was away, its day may have been
    accounted without it. Then it may confirm a failure or recovery that began with the streak before it.
    """
    if state.run is not None and now <= state.run.last_at + timedelta(seconds=state.run.hold_s):
        return now
    return min(check.at, state.streak_first_at or check.at)


def _check(
    held: LockedState,
    result: ProbeResult,
    answers: dict[str, Answer] | None,
    panel_at: Callable[[datetime], Panel],
    is_doubtful: bool,
) -> Check:
    """Return the check of the service as a whole: one region's result, folded with the newest ones of the others."""
    at = from_ms(result.checked_at_ms)
    if answers is None:
        slot = Slot(at=at, verdict=result.verdict, hold_s=held.policy.hold_s(result.interval_ms), is_decided=True)
    else:
        _hear(answers, result, held.policy)
        second = second_of(at)
        so_far = {region: answer for region, answer in answers.items() if second_of(answer.at) <= second}
        slot = fold(so_far, second, panel_at(at))
    return Check(
        at=slot.at,
        verdict=slot.verdict,
        interval_ms=result.interval_ms,
        timeout_ms=result.timeout_ms,
        hold_s=slot.hold_s,
        is_decided=slot.is_decided,
        is_doubtful=is_doubtful and slot.verdict is Verdict.BAD,
    )


def _hear(answers: dict[str, Answer], result: ProbeResult, policy: Policy) -> None:
    """Keep a region's result as its answer, unless a newer one is known."""
    at, known = from_ms(result.checked_at_ms), answers.get(result.region)
    if known is None or known.at <= at:
        answers[result.region] = Answer(at, result.verdict, policy.hold_s(result.interval_ms))


def _evidence(service_id: str, result: ProbeResult) -> dict[str, Any]:
    return {
        "region": result.region,
        "checked_at": from_ms(result.checked_at_ms).isoformat(),
        "status_code": result.status_code,
        "error_type": result.error_type,
        "error_message": result.error_message,
        "response_ms": response_ms(result),
        "trace_id": trace_id(service_id, result.region, result.checked_at_ms),
    }
