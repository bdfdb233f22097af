"""Compare the recorded runs of services with raw checks before figures are computed. Raw checks win, with an alarm.

All that figures depend on is compared: verdict, start, end, hold and number of slots of each run. Of a run that extends
beyond the stretch, the part within it is compared, and its count as far as it matters.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from django.db import connection, transaction

from database.sql import statement
from monitoring.accounting import rollup_requests
from monitoring.checks.spoken_checks import SpokenChecks, end_of_second, start_of_second
from monitoring.probes.model import Verdict
from monitoring.rules.regions import FoldRules, fold_slots, second_of
from monitoring.rules.state import Run
from monitoring.states import counters, runs, state_rows
from monitoring.states.fold_rules import RuleBook
from monitoring.states.state_rows import LockedState

logger = logging.getLogger(__name__)

DAY = timedelta(days=1)
RESULTS_SETTLE_AFTER = timedelta(minutes=10)  # results of the last minutes may still be in a queue


def suspects(
    raw: Mapping[str, Sequence[Run]], start: datetime, end: datetime, deciding: Mapping[str, int]
) -> list[str]:
    """Return the services whose recorded runs differ from those of their raw checks in [start, end). One query.

    The difference is real, or something was recorded between the two reads; `mend` decides.
    """
    recorded = _recorded(list(raw), start, end)
    return sorted(id for id, found in raw.items() if _differ(id, recorded[id], found, start, end, deciding[id]))


def mend(service_ids: Collection[str], start: datetime, end: datetime, now: datetime, zone: tzinfo) -> list[str]:
    """Lock the states, compare again, and rebuild the runs that still differ from the raw checks in [start, end).

    Requests the closed days that may change. Returns the ids of the services that differed. Must run in a transaction.
    """
    if not service_ids:
        return []
    locked = state_rows.lock(service_ids)
    book = RuleBook(service_ids, start, now, zone)
    recorded = _recorded(list(locked), start, end)
    differing, changed = [], []
    for id, held in locked.items():
        rules, deciding = book.of(id), book.deciding(id)
        found = raw_runs(id, start, end, rules)
        if not _differ(id, recorded[id], found, start, end, deciding):
            continue
        differing.append(id)
        if not found:
            continue  # the raw checks were deleted; the runs are all that is left
        since, until = _extent(held, recorded[id], start, end, now)
        runs.rebuild_between(held, since, until, RuleBook([id], since, now, zone).of(id), is_whole=True)
        changed.append((id, *_effect(runs.effect_of(held, since, until, deciding), now)))
    if differing:
        logger.error("recorded runs differ from the raw checks", extra={"services": differing[:20], "day": str(start)})
        counters.add("runs_differed", len(differing))
        state_rows.save(locked.values())
        rollup_requests.request_ranges(changed, now, zone)
    return differing


def audit(service_id: str, now: datetime, zone: tzinfo) -> bool:
    """Compare all runs of a service with all of its raw checks; rebuild those that differ, and return whether any did.

    Reads all checks of the service: some seconds for 90 days with one a minute.
    """
    start, end = _oldest(service_id), start_of_second(now - RESULTS_SETTLE_AFTER)
    if start is None or start >= end:
        return False
    book = RuleBook([service_id], start, now, zone)
    raw = {service_id: raw_runs(service_id, start, end, book.of(service_id))}
    if not suspects(raw, start, end, {service_id: book.deciding(service_id)}):
        return False
    with transaction.atomic():
        return bool(mend([service_id], start, end, now, zone))


def raw_runs(service_id: str, start: datetime, end: datetime, rules: FoldRules) -> list[Run]:
    """Encode the raw checks of a service in [start, end), both whole seconds."""
    checks = SpokenChecks(service_id)
    spoken = checks.newest_before(start, runs.longest_hold(rules, start))
    inside = checks.between(start, end - timedelta(microseconds=1))
    return list(runs.join_all(slot.run() for slot in fold_slots([*spoken, *inside], rules) if slot.at >= start))


def _differ(
    service_id: str, recorded: Sequence[Run], raw: Sequence[Run], start: datetime, end: datetime, deciding: int
) -> bool:
    recorded = list(runs.join_all(recorded))
    return len(recorded) != len(raw) or any(
        _differs(service_id, *pair, start, end, deciding) for pair in zip(recorded, raw, strict=True)
    )


def _differs(service_id: str, recorded: Run, raw: Run, start: datetime, end: datetime, deciding: int) -> bool:
    """Return whether a recorded run differs from its part in the raw checks of [start, end)."""
    begins_before, goes_on = recorded.first_at < start, recorded.last_at >= end
    if (recorded.verdict, recorded.hold_s) != (raw.verdict, raw.hold_s):
        return True
    if not begins_before and second_of(recorded.first_at) != second_of(raw.first_at):
        return True
    if not goes_on and second_of(recorded.last_at) != second_of(raw.last_at):
        return True
    if not begins_before and not goes_on:
        return recorded.check_count != raw.check_count
    if recorded.check_count < raw.check_count + begins_before + goes_on:
        return True
    if raw.check_count >= deciding:
        return False  # further slots would not matter
    counted = SpokenChecks(service_id).seconds(start_of_second(recorded.first_at), end_of_second(recorded.last_at))
    return _is_whole(service_id, recorded.first_at) and recorded.check_count != len(counted)


def _is_whole(service_id: str, since: datetime) -> bool:
    """Return whether raw checks are kept since an instant; retention drops old ones, but not their runs."""
    oldest = _oldest(service_id)
    return oldest is not None and oldest <= since


def _oldest(service_id: str) -> datetime | None:
    """Return the second of the oldest raw check of a service."""
    at = SpokenChecks(service_id).first_slot_after(datetime.min.replace(tzinfo=UTC) + timedelta(days=1))
    return at and start_of_second(at)


def _extent(
    held: LockedState, recorded: Sequence[Run], start: datetime, end: datetime, now: datetime
) -> tuple[datetime, datetime]:
    """Return the stretch to rebuild: whole runs, as their counts may be wrong, as far as raw checks are kept."""
    since = max(min([start, *(run.first_at for run in recorded)]), _oldest(held.service_id) or start)
    open_run = held.state.run
    if open_run is None or any(run.first_at == open_run.first_at for run in recorded):
        # Checks were recorded during the read. All that are stored by now are counted; the lock keeps out further ones.
        return start_of_second(since), end_of_second(SpokenChecks(held.service_id).last_before(now + DAY) or end)
    return start_of_second(since), end_of_second(max([end, *(run.last_at for run in recorded)]))


def _effect(effect: tuple[datetime, datetime | None], now: datetime) -> tuple[datetime, datetime]:
    return effect[0], effect[1] or now


def _recorded(service_ids: list[str], start: datetime, end: datetime) -> defaultdict[str, list[Run]]:
    found: defaultdict[str, list[Run]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            statement("monitoring", "recorded_runs"), {"service_ids": service_ids, "start": start, "end": end}
        )
        for service_id, verdict, first_at, last_at, check_count, hold_s in cursor.fetchall():
            found[service_id].append(
                Run(
                    verdict=Verdict(verdict),
                    first_at=first_at,
                    last_at=last_at,
                    check_count=check_count,
                    hold_s=hold_s,
                )
            )
    return found
