"""Rows of states: two recorders at once lose nothing, and what is saved can be loaded."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database import partitions
from database.sql import statement
from monitoring.engine import recording
from monitoring.models import ServiceState
from monitoring.models.raw import RAW_TABLES
from monitoring.probes.model import Verdict
from monitoring.rules.state import Run, State, Status
from monitoring.rules.unix_time import from_ms
from monitoring.states import state_rows
from monitoring.tests.factories import START, make_result, make_service
from monitoring.tests.locks import wait_until_somebody_waits

NOW = START + timedelta(hours=1)
SECONDS = 20


@pytest.mark.usefixtures("transactional_db")
def test_the_first_results_of_a_service_are_counted_though_two_batches_bring_them_at_once() -> None:
    make_service()
    for table in RAW_TABLES:  # else the second would wait for the first to make them, and not for the state
        partitions.ensure(table, {START.date()})

    def record_another() -> None:
        recording.record([make_result(60)], NOW)
        connection.close()

    other = threading.Thread(target=record_another)
    with transaction.atomic():
        recording.record([make_result(0)], NOW)
        other.start()
        wait_until_somebody_waits()
    other.join(SECONDS)

    assert ServiceState.objects.get().run_count == 2


def test_every_column_of_a_state_is_saved() -> None:
    saved = re.findall(r"(\w+) = new\.\1\b", statement("monitoring", "save_states"))

    assert sorted(saved) == sorted(str(field.column) for field in ServiceState._meta.concrete_fields)


@pytest.mark.django_db
def test_unknown_services_have_no_state() -> None:
    assert state_rows.lock(["nobody"]) == {}


INSTANTS = st.integers(1_700_000_000_000, 1_800_000_000_000).map(from_ms)
COUNTS = st.integers(0, 1_000)
RUNS = st.builds(
    Run, verdict=st.sampled_from(Verdict), first_at=INSTANTS, last_at=INSTANTS, check_count=COUNTS, hold_s=COUNTS
)
STATES = st.builds(
    State,
    status=st.sampled_from(Status),
    is_down=st.booleans(),
    run=st.none() | RUNS,
    streak_first_at=st.none() | INSTANTS,
    streak_count=COUNTS,
    last_good_at=st.none() | INSTANTS,
    last_bad_at=st.none() | INSTANTS,
    stale_at=st.none() | INSTANTS,
    recheck_at=st.none() | INSTANTS,
)


@pytest.mark.django_db
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=STATES, response_ms=st.none() | st.floats(0, 60_000), error=st.none() | st.text('aä"\\{},', max_size=9))
def test_a_state_is_read_back_as_it_was_saved(state: State, response_ms: float | None, error: str | None) -> None:
    with transaction.atomic():
        make_service()
        held = state_rows.lock(["payments"])["payments"]
        held.state, held.response_ms, held.status_code, held.error = state, response_ms, 418, error

        state_rows.save([held])

        assert state_rows.lock(["payments"])["payments"] == held
        transaction.set_rollback(True)
