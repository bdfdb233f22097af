from datetime import timedelta
from typing import Any

import pytest
import time_machine

from monitoring.engine import recording
from monitoring.engine.pace import pace
from monitoring.instruments.health import check_pace
from monitoring.models import Service
from monitoring.tests.factories import START, make_result, make_service
from observability.health import Health

pytestmark = pytest.mark.django_db

NOW = START + timedelta(seconds=90)  # so the window is that from 60 to 70 s
COUNT = 20


@pytest.fixture
def services() -> list[str]:
    """Twenty services that are due each second."""
    ids = [make_service(f"s-{number}", check_interval=1000).id for number in range(COUNT)]
    Service.objects.update(updated_at=START)
    return ids


def store(ids: list[str], seconds: range) -> None:
    batch = [make_result(second, service_id=id, interval_ms=1000) for id in ids for second in seconds]
    recording.record(batch, NOW)


def test_an_engine_that_stores_what_is_due_keeps_up(services: Any) -> None:
    store(services, range(60, 70))

    found = pace(NOW)

    assert (found.due_per_s, found.stored_per_s, found.is_behind) == (COUNT, COUNT, False)


@time_machine.travel(NOW, tick=False)
def test_an_engine_past_its_capacity_says_how_far_behind_it_is(services: Any) -> None:
    store(services[:-1], range(60, 70))

    finding = check_pace()

    assert finding.status is Health.DEGRADED
    assert finding.message == "falling behind: 19 of 20 checks/s"


@time_machine.travel(NOW, tick=False)
def test_services_changed_lately_are_not_expected_yet(services: Any) -> None:
    Service.objects.update(updated_at=START + timedelta(seconds=65))

    assert check_pace().status is Health.HEALTHY


def test_of_a_few_slots_no_share_is_told(services: Any) -> None:
    Service.objects.exclude(id=services[0]).delete()

    assert not pace(NOW).is_behind
