"""Readers judge a state by their own clock: neither an old check nor one in the future counts."""

from datetime import datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
import time_machine

from accounts.tests.cast import Person
from incidents import system_status
from monitoring.admin_site import dashboard, service_admin, signs
from monitoring.api.tests.api_client import Program
from monitoring.config.clock import AHEAD
from monitoring.engine import recording
from monitoring.instruments import metrics
from monitoring.models import DispatchWatermark, Service, ServiceState
from monitoring.rules.state import Status
from monitoring.states.live import status_at, with_live_status
from monitoring.tests.factories import START, make_result, make_service
from statuspage import readmodel
from statuspage.rendering import _groups

pytestmark = pytest.mark.django_db

HOUR, ZONE = timedelta(hours=1), ZoneInfo("UTC")


@pytest.fixture
def service() -> Service:
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
def test_every_reader_agrees(service: Service, viewer: Person, now: datetime, status: str) -> None:
    line = readmodel.read(now, 1, ZONE).services[0]
    problems, _count = dashboard.service_problems(now)

    whole = system_status.refresh(now)
    with time_machine.travel(now, tick=False):
        (counted,) = metrics.of_services()
        (stated,) = Program.of(viewer).get("states").json()["items"]

    assert line.status == status
    assert whole.operational_services == (1 if status == "o" else 0)
    assert [each.labels["status"] for each in counted.samples if each.value] == [status]
    assert stated["status"] == status
    assert [each.status for each in problems] == ([] if status == "o" else ["nd"])
    assert ("No data" in signs.service_sign(service, now)) == (status == "nd")


INSTANTS = (None, START - AHEAD, START - timedelta(microseconds=1), START, START + AHEAD, START + 2 * AHEAD)


@pytest.mark.parametrize("stored", Status)
def test_queries_and_rows_have_one_rule(stored: Status) -> None:
    for number, (stale_at, run_last_at) in enumerate(product(INSTANTS, INSTANTS)):
        service = make_service(f"s{number}")
        ServiceState.objects.create(service=service, status=stored, stale_at=stale_at, run_last_at=run_last_at)
    make_service("without-state")

    services = with_live_status(Service.objects.select_related("state"), START)

    assert len(services) == 37
    for service in services:
        shown = service.live_status
        assert shown == status_at(getattr(service, "state", None), START), service.id


def test_a_silent_outage_stands_where_its_shown_status_does() -> None:
    make_service("a", name="A", is_critical=False)
    make_service("z", name="Z", is_critical=False)
    for id, stale_at in (("z", START - HOUR), ("a", START + HOUR)):
        ServiceState.objects.create(
            service_id=id, status="mo" if id == "z" else "po", verdict="bad", run_last_at=START, stale_at=stale_at
        )

    assert [(each.id, each.status) for each in dashboard.service_problems(START)[0]] == [("a", "po"), ("z", "nd")]


def test_what_was_measured_in_the_future_was_measured(service: Service) -> None:
    (problem,) = dashboard.service_problems(START - HOUR)[0]

    assert (problem.is_measured, problem.since) == (True, None)


def test_nobody_says_how_long_ago_the_future_was(service: Service) -> None:
    now = START - HOUR
    line = readmodel.read(now, 1, ZONE).services[0]

    assert (line.checked_at, line.is_silent) == (None, True)
    assert dashboard.service_problems(now)[0][0].since is None
    assert service_admin.age(START, now) == "in the future"


def test_the_page_says_that_it_is_not_measured_now(service: Service) -> None:
    model = readmodel.read(START - HOUR, 1, ZONE)

    (row,) = _groups(model)[0].rows

    assert (row.state, row.note, row.checked) == ("No data", "not being measured", None)


def test_the_api_lists_it_as_unknown_and_gives_no_instant(service: Service, viewer: Person) -> None:
    with time_machine.travel(START - HOUR):
        program = Program.of(viewer)

        (item,) = program.get("states?status=nd").json()["items"]

        assert (item["status"], item["last_checked_at"], item["since"]) == ("nd", None, None)
        assert program.get("states?status=o").json()["items"] == []


def test_a_dispatch_in_the_future_is_none_of_now() -> None:
    DispatchWatermark.objects.create(dispatched_until=START + HOUR)

    assert dashboard.engine(START).last_dispatch_s is None
    assert dashboard.engine(START + HOUR).last_dispatch_s == pytest.approx(2)
