from datetime import UTC, datetime
from typing import Any

import pytest

from database import changes
from incidents.models import SystemStatus
from incidents.system_status import overall, refresh
from incidents.tests.factories import make_incident
from monitoring.tests.factories import make_checked

NOW = datetime(2025, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("why", "services", "expected"),
    [
        ("nothing is monitored", [], "operational"),
        ("all is well", ["o", "o"], "operational"),
        ("one of three is down", ["o", "o", "mo"], "degraded"),
        ("half are down", ["o", "mo"], "outage"),
        ("one is slow", ["o", "po"], "degraded"),
        ("one is not measured", ["o", "nd"], "degraded"),
        ("nothing is measured", ["nd", "nd"], "degraded"),
    ],
)
def test_overall_status(why: str, services: Any, expected: str) -> None:
    assert overall([(status, False) for status in services]) == expected, why


def test_a_critical_service_that_is_down_is_an_outage_of_the_whole() -> None:
    assert overall([("mo", True), *[("o", False)] * 9]) == "outage"
    assert overall([("po", True), *[("o", False)] * 9]) == "degraded"


@pytest.mark.django_db
def test_the_row_counts_services_and_open_incidents() -> None:
    make_checked("one", "o")
    make_checked("two", "mo")
    make_checked("off", "mo", is_active=False)
    make_incident(title="Down", started_at=NOW)
    make_incident(title="Over", started_at=NOW, resolved_at=NOW, status="resolved")

    refresh(NOW)

    row = SystemStatus.objects.get()
    assert (row.overall_status, row.operational_services, row.total_services) == ("outage", 1, 2)
    assert (row.active_incidents, row.last_incident_at) == (1, NOW)


@pytest.mark.django_db
def test_readers_are_told_only_of_a_change() -> None:
    make_checked("payments", "o")
    refresh(NOW)
    before = changes.current("page")

    refresh(NOW)

    assert changes.current("page") == before
