from datetime import timedelta

import pytest

from monitoring.engine import recording
from monitoring.models import Service, Transition
from monitoring.states.silence import mark_silent
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db


def test_a_service_without_checks_becomes_unknown_once() -> None:
    make_service()
    make_service("fresh")
    recording.record([make_result(0), make_result(100, service_id="fresh")], START + timedelta(seconds=100))
    now = START + timedelta(seconds=156)  # 2.5 intervals and the timeout after the first

    assert mark_silent(now) == 1
    assert mark_silent(now) == 0

    assert Service.objects.get(id="payments").status == "nd"
    assert Service.objects.get(id="fresh").status == "o"
    transition = Transition.objects.get(to_status="nd")
    assert (transition.cause, transition.edge_start_at) == ("silent", START)


def test_it_is_operational_again_with_the_next_good_check() -> None:
    make_service()
    recording.record([make_result(0)], START)
    mark_silent(START + timedelta(hours=1))

    recording.record([make_result(3600)], START + timedelta(hours=1))

    assert Service.objects.get().status == "o"
