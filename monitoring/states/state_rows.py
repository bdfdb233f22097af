"""Load and save the states of services, locked in order of their ids so that two recorders never deadlock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from database.bulk import array, read_instants_fast
from database.sql import statement
from monitoring.config.thresholds import policy_for, rules_of
from monitoring.models import RegionState
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.answers import response_ms
from monitoring.rules.regions import Answer, Panel
from monitoring.rules.state import Policy, Run, State, Status
from monitoring.states import states_before

COLUMNS_OF_STATE = (  # named as the fields of a `State`
    "status",
    "is_down",
    "streak_first_at",
    "streak_count",
    "last_good_at",
    "last_bad_at",
    "stale_at",
    "recheck_at",
)


@dataclass(slots=True, kw_only=True)
class LockedState:
    """A service's state, whose row the caller's transaction has locked, and the attributes that recording needs."""

    service_id: str
    regions: Sequence[str]
    panel: Panel
    policy: Policy
    state: State
    response_ms: float | None
    status_code: int | None
    error: str | None

    def show(self, result: ProbeResult) -> None:
        """Store the result as the newest answer that people see."""
        self.response_ms, self.status_code = response_ms(result), result.status_code
        self.error = result.error_message


class _Row(NamedTuple):
    """A row of `sql/lock_states.sql`: a state, the rules of its service, and the defaults of the service's policy."""

    service_id: str
    kind: str
    regions: Sequence[str]
    quorum: int | None
    failure_threshold: int | None
    recovery_threshold: int | None
    usual_failure_threshold: int | None
    usual_recovery_threshold: int | None
    usual_gap_factor: Decimal | None
    status: str
    is_down: bool
    verdict: str | None  # None: there is no run
    run_first_at: datetime
    run_last_at: datetime
    run_count: int
    run_hold_s: int
    streak_first_at: datetime | None
    streak_count: int
    last_good_at: datetime | None
    last_bad_at: datetime | None
    stale_at: datetime | None
    recheck_at: datetime | None
    before_slot: str | None
    last_response_ms: float | None
    last_status_code: int | None
    last_error: str | None


def lock(service_ids: Collection[str]) -> dict[str, LockedState]:
    """Lock the states of services, and return those that exist by id. One query, or three for new services."""
    wanted: dict[str, Any] = {"service_ids": sorted(service_ids), "zone": str(settings.PAGE_TIME_ZONE)}
    with connection.cursor() as cursor:
        read_instants_fast(cursor)
        cursor.execute(statement("monitoring", "lock_states"), wanted)
        rows = _rows(cursor)
        if len(rows) < len(wanted["service_ids"]):
            cursor.execute(statement("monitoring", "create_states"), wanted)
            # Lock again even if no row was inserted: another recorder may have inserted it meanwhile.
            cursor.execute(statement("monitoring", "lock_states"), wanted)
            rows = _rows(cursor)
    return {row.service_id: _locked(row) for row in rows}


def save(states: Collection[LockedState]) -> None:
    """Write states back. One statement."""
    columns: dict[str, list[Any]] = {
        "service_id": [held.service_id for held in states],
        "last_response_ms": [held.response_ms for held in states],
        "last_status_code": [held.status_code for held in states],
        "last_error": [held.error for held in states],
    }
    for name in COLUMNS_OF_STATE:
        columns[name] = [getattr(held.state, name) for held in states]
    runs = [held.state.run for held in states]
    columns["verdict"] = [run and run.verdict for run in runs]
    columns["run_first_at"] = [run and run.first_at for run in runs]
    columns["run_last_at"] = [run and run.last_at for run in runs]
    columns["run_count"] = [run.check_count if run else 0 for run in runs]
    columns["run_hold_s"] = [run.hold_s if run else 0 for run in runs]
    # With one region, a slot gets one answer. Should a second one come, the state before is read from raw checks.
    columns["before_slot"] = [
        states_before.dump(held.state.before) if held.state.before and len(held.regions) > 1 else None
        for held in states
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            statement("monitoring", "save_states"), {name: array(values) for name, values in columns.items()}
        )


def answers_of(service_ids: Collection[str]) -> dict[str, dict[str, Answer]]:
    """Return the newest check from each region, by service and region. One query, or none without services."""
    found: dict[str, dict[str, Answer]] = {service_id: {} for service_id in service_ids}
    if found:
        for row in RegionState.objects.filter(service_id__in=found):
            found[row.service_id][row.region] = Answer(row.checked_at, Verdict(row.verdict), row.hold_s)
    return found


def save_answers(answers: Mapping[str, Mapping[str, Answer]]) -> None:
    """Write the newest checks from regions. One statement, or none without services."""
    RegionState.objects.bulk_create(
        [
            RegionState(service_id=id, region=region, verdict=verdict, checked_at=at, hold_s=hold_s)
            for id, by_region in answers.items()
            for region, (at, verdict, hold_s) in by_region.items()
        ],
        update_conflicts=True,
        unique_fields=["service_id", "region"],
        update_fields=["verdict", "checked_at", "hold_s"],
    )


def _rows(cursor: CursorWrapper) -> list[_Row]:
    """Read rows by the names of their columns; raises TypeError if a column is missing or unknown."""
    names = [column.name for column in cursor.description]
    return [_Row(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _locked(row: _Row) -> LockedState:
    rules = rules_of(row.usual_failure_threshold, row.usual_recovery_threshold, row.usual_gap_factor)
    run = None
    if row.verdict is not None:
        run = Run(
            verdict=Verdict(row.verdict),
            first_at=row.run_first_at,
            last_at=row.run_last_at,
            check_count=row.run_count,
            hold_s=row.run_hold_s,
        )
    state = State(
        status=Status(row.status),
        is_down=row.is_down,
        run=run,
        streak_first_at=row.streak_first_at,
        streak_count=row.streak_count,
        last_good_at=row.last_good_at,
        last_bad_at=row.last_bad_at,
        stale_at=row.stale_at,
        recheck_at=row.recheck_at,
        before=states_before.load(row.before_slot) if row.before_slot else None,
    )
    return LockedState(
        service_id=row.service_id,
        regions=row.regions,
        panel=Panel.of(row.regions, row.quorum),
        policy=policy_for(row.kind, row.failure_threshold, row.recovery_threshold, rules),
        state=state,
        response_ms=row.last_response_ms,
        status_code=row.last_status_code,
        error=row.last_error,
    )
