"""Two recorders at once, each with results of the same new service."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from database import partitions
from monitoring.engine import recording
from monitoring.models import ServiceState
from monitoring.models.raw import RAW_TABLES
from monitoring.states import state_rows
from monitoring.tests.factories import START, make_result, make_service
from monitoring.tests.locks import wait_until_somebody_waits

NOW = START + timedelta(hours=1)
SECONDS = 20


@pytest.mark.usefixtures("committing")
def test_the_first_results_of_a_service_are_counted_though_two_lots_bring_them_at_once():
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


@pytest.mark.django_db
def test_unknown_services_have_no_state():
    assert state_rows.lock(["nobody"]) == {}
