"""Record a lot of results in one short transaction: raw rows, states, runs, transitions.

Recording is idempotent: only rows that were new to `watch_server_logs` reach anything else, so a lot that is delivered
twice, or half of it again, neither stores nor counts twice.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from psycopg.errors import CheckViolation

from database import partitions
from database.bulk import array, read_instants_fast
from database.locks import wait_briefly
from database.sql import statement
from monitoring import (
    blindness,
    check_lines,
    counters,
    figures,
    future,
    late_outages,
    rollup_requests,
    runs,
    states,
    transitions,
)
from monitoring.answers import request_ms, response_ms
from monitoring.blindness import Sight
from monitoring.canaries import Look
from monitoring.clock import AHEAD
from monitoring.fold_rules import PanelBook, RuleBook
from monitoring.folded import moving
from monitoring.folded.kinds import CHECKS
from monitoring.instants import from_ms
from monitoring.models import Transition
from monitoring.models.raw import BLIND, RAW_TABLES
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.regions import Answer, Panel, Slot, fold, second_of
from monitoring.retention import kept
from monitoring.specs import trace_id
from monitoring.state import Change, Check, Policy, Run, State, Status, Step, advance, follows
from monitoring.states import LockedState
from observability.events import Action, Subject, tell
from observability.masking import mask_text

logger = logging.getLogger(__name__)

FOLDABLE = timedelta(days=2)  # a day less than the least FOLD_AFTER_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a lot."""

    stored: int
    duplicates: int
    refused: int  # long past
    ahead: int  # refused as well: their instant is yet to come
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """How many results of a batch are not stored whatever they say, for when they were made."""

    past: int
    ahead: int


def record(results: Sequence[ProbeResult], now: datetime, look: Look | None = None) -> Recorded:
    """Store the results that are new and bring states, runs and transitions up to date with them.

    `look` is what the canaries of the worker said when the lot was finished.
    """
    told = [result for result in results if from_ms(result.checked_at_ms) <= now + AHEAD]
    taken = [_presentable(result) for result in told if from_ms(result.checked_at_ms) > now - kept()]
    refused = Refused(ahead=len(results) - len(told), past=len(told) - len(taken))
    try:
        return _record(taken, refused, now, look)
    except IntegrityError as error:
        # Partitions are made ahead, so asking for them every time would be asking in vain; PostgreSQL says it itself.
        if not isinstance(error.__cause__, CheckViolation) or not _make_partitions(taken):
            raise
    except future.StatesAhead as found:
        future.correct(found.service_ids, now)
    return _record(taken, refused, now, look)


@transaction.atomic
def _record(taken: Sequence[ProbeResult], refused: Refused, now: datetime, look: Look | None) -> Recorded:
    wait_briefly()  # behind a lock on a raw table the batch goes back to its queue
    _unfold_late(taken, now)
    sights = blindness.judge(taken, look, now=now)
    blind = {region: look.canaries for region, sight in sights.items() if look and sight is Sight.BLIND}
    new = _store(taken, blind)
    duplicates = len(taken) - len(new)
    if duplicates:  # or their instants were measured before, by a clock that was ahead
        future.refuse({result.service_id for result in taken}, now)
    check_lines.tell_recorded(new)
    told = [result for result in new if result.verdict is not Verdict.BAD or result.region not in blind]
    changes = _fold_all(told, now, {region for region, sight in sights.items() if sight is Sight.DOUBTFUL})
    _count_refused(refused)
    transaction.on_commit(
        lambda: figures.count_recorded(new, duplicates=duplicates, refused=refused.past, ahead=refused.ahead)
    )
    return Recorded(stored=len(new), duplicates=duplicates, refused=refused.past, ahead=refused.ahead, changes=changes)


def _count_refused(refused: Refused) -> None:
    if refused.past:
        logger.error("results refused: their time is long past", extra={"refused": refused.past})
        counters.add("results_refused", refused.past)
    if refused.ahead:
        logger.error(
            "results refused: their time is yet to come, so a clock is wrong", extra={"refused": refused.ahead}
        )
        counters.add("results_ahead", refused.ahead)


def _unfold_late(results: Sequence[ProbeResult], now: datetime) -> None:
    """Make the folded days raw again that old results belong to, so that each is compared with all there is.

    Whatever is old enough is asked for, so that it does not matter after how many days we fold.
    """
    old = [result for result in results if from_ms(result.checked_at_ms) < now - FOLDABLE]
    if old:
        days = {from_ms(result.checked_at_ms).date() for result in old}
        moving.unfold(CHECKS, days, {result.service_id for result in old})


def _make_partitions(results: Sequence[ProbeResult]) -> bool:
    """Make the partitions that results need, and say whether any was missing."""
    days = {from_ms(result.checked_at_ms).date() for result in results}
    # The request of a check near midnight may begin on the next day.
    days |= {from_ms(request.started_at_ms).date() for result in results for request in result.requests}
    return any([partitions.ensure(table, days) for table in RAW_TABLES])


def _store(results: Sequence[ProbeResult], blind: Mapping[str, str]) -> list[ProbeResult]:
    """Insert the checks and return those that were not there yet, in order of time. Two statements.

    Bad ones of a blind region are marked with its canaries.
    """
    if not results:
        return []
    # Sorted, so that two recorders which insert the same keys wait for each other instead of for one another in turn;
    # once each, since one statement can't insert a row and find it there.
    by_key = {(result.checked_at_ms, result.service_id, result.region): result for result in reversed(results)}
    ordered = [by_key[key] for key in sorted(by_key)]
    with connection.cursor() as cursor:
        read_instants_fast(cursor)
        cursor.execute(statement("monitoring", "store_checks"), _arrays(_check_columns(ordered, blind)))
        stored = set(cursor.fetchall())
    new = [each for each in ordered if (each.service_id, from_ms(each.checked_at_ms), each.region) in stored]
    _store_requests(new)
    return new


def _check_columns(results: Sequence[ProbeResult], blind: Mapping[str, str]) -> dict[str, list[Any]]:
    return {
        "checked_at": [from_ms(result.checked_at_ms) for result in results],
        # A ping of a heartbeat whose beginning the job did not report took no time that is known.
        "response_time": [_hundredths(result.phases.total_ms or None) for result in results],
        "lateness_ms": [_hundredths(result.lateness_ms) for result in results],
        "dns_ms": [_hundredths(result.phases.dns_ms) for result in results],
        "connect_ms": [_hundredths(result.phases.connect_ms) for result in results],
        "tls_ms": [_hundredths(result.phases.tls_ms) for result in results],
        "first_byte_ms": [_hundredths(result.phases.first_byte_ms) for result in results],
        "interval_ms": [result.interval_ms for result in results],
        "status_code": [result.status_code for result in results],
        "service_id": [result.service_id for result in results],
        "region": [result.region for result in results],
        "verdict": [result.verdict for result in results],
        "error_type": [result.error_type for result in results],
        "error_message": [result.error_message for result in results],
        "metadata": [
            json.dumps({BLIND: blind[result.region]})
            if result.verdict is Verdict.BAD and result.region in blind
            else None
            for result in results
        ],
    }


def _store_requests(results: Sequence[ProbeResult]) -> None:
    pairs = [(result, hop, request) for result in results for hop, request in enumerate(result.requests)]
    if not pairs:
        return
    columns: dict[str, list[Any]] = {
        "measured_at": [from_ms(request.started_at_ms) for _, _, request in pairs],
        "response_time": [_hundredths(request_ms(*pair)) for pair in pairs],
        "status_code": [request.status_code for _, _, request in pairs],
        "hop": [hop for _, hop, _ in pairs],
        "is_success": [
            request.error_message is None and request.status_code is not None and 200 <= request.status_code <= 299
            for _, _, request in pairs
        ],
        "is_final": [hop == len(result.requests) - 1 for result, hop, _ in pairs],
        "service_id": [result.service_id for result, _, _ in pairs],
        "region": [result.region for result, _, _ in pairs],
        "method": [request.method for _, _, request in pairs],
        # The first request goes to the service's own endpoint, which need not be said millions of times. What redirects
        # hand on in queries is as a rule a secret.
        "endpoint": [_storable(request.url.partition("?")[0]) if hop else None for _, hop, request in pairs],
        "error_message": [_storable(request.error_message) for _, _, request in pairs],
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "store_requests"), _arrays(columns))


def _arrays(columns: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    return {name: array(values) for name, values in columns.items()}


def _hundredths(milliseconds: float | None) -> float | None:
    """Round to what a clock under an event loop can tell; digits beyond are noise, and noise cannot be folded."""
    return None if milliseconds is None else round(milliseconds, 2)


def _presentable(result: ProbeResult) -> ProbeResult:
    """Mend what a target or a job said, before it gets anywhere."""
    if result.error_message is None:
        return result
    return replace(result, error_message=_storable(result.error_message))


def _storable(message: str | None) -> str | None:
    """PostgreSQL takes any text but NUL; half a kilobyte of it says enough, and no secret that a target gave away."""
    return message and mask_text(message.replace("\x00", ""))[:500]


def _fold_all(new: Sequence[ProbeResult], now: datetime, doubtful: Collection[str]) -> int:
    """Fold new checks into the states of their services and return the number of status changes.

    Bad checks of `doubtful` regions open no outage.
    """
    by_service: defaultdict[str, list[ProbeResult]] = defaultdict(list)
    for result in new:
        by_service[result.service_id].append(result)
    locked = states.lock(by_service)
    future.refuse_locked(locked.values(), now)
    several = [id for id, held in locked.items() if len(held.regions) > 1]
    answers, panels = states.answers_of(several), PanelBook(several)
    late = _late(by_service, locked)
    written = Written(changed=_rebuild(late, locked, answers, now))
    for service_id, held in locked.items():
        panel_at = partial(panels.at, service_id, current=held.panel)
        for result in by_service[service_id]:
            if not _is_news(held, result):
                continue  # it was late, and is in the runs
            check = _check(held, result, answers.get(service_id), panel_at, result.region in doubtful)
            written.reach_back(service_id, _changes_from(held.state, check, now), check.at)
            step = advance(held.state, check, held.policy)
            held.state = step.state
            held.show(result)
            written.take(service_id, step)
            written.changed += [_transition(service_id, change, result, now) for change in step.changes]
    if locked:
        written.save(now)
        states.save(locked.values())
        states.save_answers(answers)
    transitions.record(written.changed, {id: held.state.status for id, held in locked.items()})
    return len(written.changed)


@dataclass(slots=True)
class Written:
    """What the folded checks of a batch leave to be written."""

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
        """Write the runs, and ask for the days that have closed already and that checks reached back to."""
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
    """Work late results into the runs of their services, and ask for the days that have closed and may change by it.

    Returns the transitions of outages that are known by them.
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
    """Make the transitions of outages that late results confirm, with the first bad one of those as the evidence."""
    bad = next((result for result in results if result.verdict is Verdict.BAD), results[0])
    since, until = map(second_of, stretch)
    changes = late_outages.untold(held, runs.stretches_around(held, *stretch), since, until)
    if changes and changes[-1].to_status is Status.DOWN:
        held.state = replace(held.state, status=Status.DOWN, recheck_at=None)
    told = [_transition(held.service_id, change, bad, now) for change in changes]
    for each in told:
        each.evidence = {**(each.evidence if each.to_status == Status.DOWN else {}), "is_late": True}
    return told


def _is_news(held: LockedState, result: ProbeResult) -> bool:
    """Say whether a result is to be folded into the state: of its newest slot, or of a later one."""
    at, run = from_ms(result.checked_at_ms), held.state.run
    if run is None or at >= run.last_at:
        return True
    # Of several checks of one region in a second the last counts; of several regions each has its say.
    return len(held.regions) > 1 and follows(held.state, at)


def _changes_from(state: State, check: Check, now: datetime) -> datetime:
    """Return from when on a check that is the newest may change what was accounted; now, where it came in time.

    Its day was settled without it where it came after the run had ceased to speak: the queue waited, with the database
    or the broker away. Then it may confirm what began with the streak before it.
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
    """Make a check of the service from one region's result, folding in what the other regions said last."""
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
    """Keep the answer of a region, unless a newer one is known."""
    at, known = from_ms(result.checked_at_ms), answers.get(result.region)
    if known is None or known.at <= at:
        answers[result.region] = Answer(at, result.verdict, policy.hold_s(result.interval_ms))


def _transition(service_id: str, change: Change, result: ProbeResult, now: datetime) -> Transition:
    evidence = {
        "region": result.region,
        "checked_at": from_ms(result.checked_at_ms).isoformat(),
        "status_code": result.status_code,
        "error_type": result.error_type,
        "error_message": result.error_message,
        "response_ms": response_ms(result),
        "trace_id": trace_id(service_id, result.region, result.checked_at_ms),
    }
    tell(
        Subject.TRANSITION,
        Action.CREATED,
        service_id=service_id,
        from_status=change.from_status,
        to_status=change.to_status,
        cause=change.cause,
        trace_id=evidence["trace_id"],
    )
    return Transition(
        service_id=service_id,
        from_status=change.from_status,
        to_status=change.to_status,
        cause=change.cause,
        edge_start_at=change.edge_start_at,
        edge_end_at=change.edge_end_at,
        evidence={name: value for name, value in evidence.items() if value is not None},
        created_at=now,
    )
