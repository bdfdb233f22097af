from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from monitoring.catalogue.lifecycle import lock_catalogue, pause, resume
from monitoring.models import Service, Span
from monitoring.tests.factories import START, make_service
from monitoring.tests.locks import wait_until_somebody_waits

pytestmark = pytest.mark.django_db

LATER = START + timedelta(hours=1)


def test_a_pause_is_a_span_with_its_reason_until_it_is_resumed() -> None:
    make_service()

    assert pause(["payments"], author=None, reason="moving house", now=START) == 1
    assert not Service.objects.get().is_active
    assert resume(["payments"], now=LATER) == 1

    span = Span.objects.get()
    assert (span.kind, span.since, span.until, span.reason) == ("paused", START, LATER, "moving house")
    assert Service.objects.get().is_active


def test_pausing_twice_is_pausing_once() -> None:
    make_service()
    pause(["payments"], author=None, reason="first", now=START)

    assert pause(["payments"], author=None, reason="second", now=LATER) == 0

    assert [span.reason for span in Span.objects.all()] == ["first"]


@pytest.mark.django_db(transaction=True)
def test_a_pause_waits_for_another_change_of_services(transactional_db: None) -> None:
    """A file or a program writes back whole rows that it has read: a pause in between would be lost."""
    make_service()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_catalogue()
            pausing = pool.submit(_pause_in_a_connection_of_its_own)
            wait_until_somebody_waits()
            assert Service.objects.get().is_active
        assert pausing.result(10) == 1

    assert not Service.objects.get().is_active


def _pause_in_a_connection_of_its_own() -> int:
    try:
        return pause(["payments"], author=None, reason="moving house", now=START)
    finally:
        connection.close()
