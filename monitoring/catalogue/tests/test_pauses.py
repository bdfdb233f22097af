from datetime import timedelta

import pytest

from monitoring.catalogue.pauses import pause, resume
from monitoring.models import Service, Span
from monitoring.tests.factories import START, make_service

pytestmark = pytest.mark.django_db

LATER = START + timedelta(hours=1)


def test_a_pause_is_a_span_with_its_reason_until_it_is_resumed():
    make_service()

    assert pause(["payments"], author=None, reason="moving house", now=START) == 1
    assert not Service.objects.get().is_active
    assert resume(["payments"], now=LATER) == 1

    span = Span.objects.get()
    assert (span.kind, span.since, span.until, span.reason) == ("paused", START, LATER, "moving house")
    assert Service.objects.get().is_active


def test_pausing_twice_is_pausing_once():
    make_service()
    pause(["payments"], author=None, reason="first", now=START)

    assert pause(["payments"], author=None, reason="second", now=LATER) == 0

    assert [span.reason for span in Span.objects.all()] == ["first"]
