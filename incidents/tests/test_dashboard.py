from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incidents.dashboard import reported_in_incidents
from incidents.models import AffectedService
from incidents.tests.factories import make_incident
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "is_reported"),
    [
        ({}, True),
        ({"is_draft": True}, True),
        ({"is_draft": True, "status": "resolved", "resolved_at": NOW}, True),  # it waits for a decision
        ({"is_draft": True, "dismissed_at": NOW}, False),
        ({"status": "resolved", "resolved_at": NOW}, False),
    ],
)
def test_reported_is_what_customers_read_or_what_waits_for_a_decision(
    values: dict[str, Any], is_reported: bool
) -> None:
    service = make_service()
    incident = make_incident(started_at=NOW - timedelta(minutes=5), **values)
    AffectedService.objects.create(incident=incident, service=service)

    assert reported_in_incidents() == ({service.pk: incident.pk} if is_reported else {})
