"""Store a sample past as the engine would have recorded it: raw rows, runs, changes and states."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from database import partitions
from database.copying import copy_rows
from monitoring.models import CheckRun, Transition
from monitoring.models.raw import RAW_TABLES
from monitoring.probes.model import Verdict
from monitoring.rules.state import Run
from monitoring.states import state_rows, transitions
from slamonitor.demo.past import CONNECT_MS, Past, SampleCheck

REGION = "default"
SAMPLE = {"sample": True}
CHECK_COLUMNS = (
    "checked_at",
    "response_time",
    "lateness_ms",
    "connect_ms",
    "first_byte_ms",
    "interval_ms",
    "status_code",
    "service_id",
    "region",
    "verdict",
    "error_type",
    "error_message",
)
REQUEST_COLUMNS = (
    "measured_at",
    "response_time",
    "status_code",
    "hop",
    "is_success",
    "is_final",
    "service_id",
    "region",
    "method",
    "error_message",
)
RUN_COLUMNS = ("service_id", "first_at", "last_at", "check_count", "hold_s", "verdict")


def make_partitions(since: datetime, until: datetime) -> None:
    """Create the partitions for raw rows of a period. Call it outside a transaction: it locks tables of the engine."""
    days = {since.astimezone(UTC).date() + timedelta(days=n) for n in range((until - since).days + 2)}
    for table in RAW_TABLES:
        partitions.ensure(table, days)


def store(pasts: Mapping[str, Past]) -> int:
    """Store the pasts of services and return the number of checks. Must run in a transaction.

    Changes get no claims, so that nobody is notified of them.
    """
    each = list(pasts.items())
    stored = copy_rows(RAW_TABLES[0], CHECK_COLUMNS, (row for id, past in each for row in _check_rows(id, past)))
    copy_rows(RAW_TABLES[1], REQUEST_COLUMNS, (row for id, past in each for row in _request_rows(id, past)))
    copy_rows(CheckRun._meta.db_table, RUN_COLUMNS, (_run_row(id, run) for id, past in each for run in past.runs))
    Transition.objects.bulk_create(row for id, past in each for row in _transitions(id, past))
    _save_states(pasts)
    return stored


def analyze() -> None:
    """Update the planner's statistics at once; autovacuum would do it only after a minute."""
    with connection.cursor() as cursor:
        for table in (*RAW_TABLES, CheckRun._meta.db_table):
            cursor.execute(f"ANALYZE {table}")


def _run_row(service_id: str, run: Run) -> tuple[Any, ...]:
    return service_id, run.first_at, run.last_at, run.check_count, run.hold_s, run.verdict.value


def _check_rows(service_id: str, past: Past) -> Iterator[tuple[Any, ...]]:
    for check in past.checks:
        yield (
            check.at,
            check.response_ms,
            1.0,
            CONNECT_MS,
            _first_byte_ms(check),
            check.interval_ms,
            check.status_code,
            service_id,
            REGION,
            check.verdict.value,
            check.error_type and check.error_type.value,
            check.message,
        )


def _request_rows(service_id: str, past: Past) -> Iterator[tuple[Any, ...]]:
    for check in past.checks:
        is_bad = check.verdict is Verdict.BAD
        yield (
            check.at,
            _answer_ms(check),
            check.status_code,
            0,
            not is_bad,
            True,
            service_id,
            REGION,
            "GET",
            check.message if is_bad else None,
        )


def _answer_ms(check: SampleCheck) -> float | None:
    return None if check.status_code is None else check.response_ms


def _first_byte_ms(check: SampleCheck) -> float | None:
    return None if check.status_code is None else check.response_ms - CONNECT_MS


def _transitions(service_id: str, past: Past) -> Iterator[Transition]:
    for change, check in past.changes:
        evidence = {
            "region": REGION,
            "checked_at": check.at.isoformat(),
            "status_code": check.status_code,
            "error_type": check.error_type,
            "error_message": check.message,
            "response_ms": round(check.response_ms, 1),
        }
        yield transitions.of_change(service_id, change, check.at, {**evidence, **SAMPLE})


def _save_states(pasts: Mapping[str, Past]) -> None:
    locked = state_rows.lock(pasts)
    for service_id, held in locked.items():
        held.state, last = pasts[service_id].state, pasts[service_id].checks[-1]
        held.response_ms, held.status_code, held.error = _answer_ms(last), last.status_code, last.message
    state_rows.save(locked.values())
