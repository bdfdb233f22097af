"""The system status over the API."""

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person
from incidents import system_status
from incidents.tests.factories import make_incident
from monitoring.api.tests.api_client import Program
from monitoring.tests.factories import make_checked

pytestmark = pytest.mark.django_db


def test_the_system_status_is_that_of_the_page(
    viewer: Person, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.API_RATE_LIMIT = 0
    make_checked("payments", "mo", is_critical=True)
    make_checked("cards", "o")
    make_incident(title="Payments fail", started_at=timezone.now())
    stored = system_status.refresh(timezone.now())
    program = Program.of(viewer)
    program.get("token")  # its use is noted once a minute

    with django_assert_num_queries(2):
        found = program.get("system_status").json()

    assert found["overall_status"] == stored.overall_status == "outage"
    assert (found["operational_services"], found["total_services"], found["active_incidents"]) == (1, 2, 1)
