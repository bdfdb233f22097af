"""Readers judge a state by their own clock: neither an old check nor one in the future counts."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from monitoring.admin_site import dashboard, service_admin, signs
from monitoring.api.tests.api_client import Program
from monitoring.config.clock import AHEAD
from monitoring.engine import recording
from monitoring.models import DispatchWatermark, Service
from monitoring.tests.factories import START, make_result, make_service
from statuspage import readmodel
from statuspage.rendering import _groups

pytestmark = pytest.mark.django_db

HOUR, ZONE = timedelta(hours=1), ZoneInfo("UTC")


@pytest.fixture
def service():
    """A service that was checked at START by a clock that was right, or ahead, from the view of a reader."""
    service = make_service()
    recording.record([make_result(0)], START)
    Service.objects.update(status="o")
    return Service.objects.select_related("state").get(pk=service.pk)


NOWS = [
    (START, "o"),
    (START - AHEAD, "o"),
    (START - AHEAD - timedelta(milliseconds=1), "nd"),
    (START - HOUR, "nd"),
    (START + HOUR, "nd"),
]


@pytest.mark.parametrize(("now", "status"), NOWS)
def test_every_reader_agrees(service, now, status):
    line = readmodel.read(now, 1, ZONE).services[0]
    unwell, _count = dashboard.unwell(now)

    assert line.status == status
    assert [each.status for each in unwell] == ([] if status == "o" else ["nd"])
    assert ("No data" in signs.service_sign(service, now)) == (status == "nd")


def test_nobody_says_how_long_ago_the_future_was(service):
    now = START - HOUR
    line = readmodel.read(now, 1, ZONE).services[0]

    assert (line.checked_at, line.is_silent) == (None, True)
    assert dashboard.unwell(now)[0][0].since is None
    assert service_admin.age(START, now) == "in the future"


def test_the_page_says_that_it_is_not_measured_now(service):
    model = readmodel.read(START - HOUR, 1, ZONE)

    (row,) = _groups(model)[0].rows

    assert (row.state, row.note, row.checked) == ("No data", "not measured now", None)


def test_the_api_lists_it_as_unknown_and_gives_no_instant(service, viewer, time_machine):
    time_machine.move_to(START - HOUR)
    program = Program.of(viewer)

    (item,) = program.get("states?status=nd").json()["items"]

    assert (item["status"], item["last_checked_at"], item["since"]) == ("nd", None, None)
    assert program.get("states?status=o").json()["items"] == []


def test_a_dispatch_in_the_future_is_none_of_now():
    DispatchWatermark.objects.create(dispatched_until=START + HOUR)

    assert dashboard.engine(START).last_dispatch_s is None
    assert dashboard.engine(START + HOUR).last_dispatch_s == pytest.approx(2)
