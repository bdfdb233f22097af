"""The metrics of incidents."""

from datetime import timedelta

import pytest
from django.utils import timezone

from incidents.metrics import of_incidents
from incidents.models import Incident
from incidents.tests.factories import make_incident


@pytest.mark.django_db
def test_drafts_and_open_incidents_are_counted() -> None:
    now = timezone.now()
    make_incident(started_at=now)
    make_incident(started_at=now, status="resolved", resolved_at=now)
    draft = make_incident(started_at=now, is_draft=True)
    make_incident(started_at=now, is_draft=True, dismissed_at=now)
    Incident.objects.filter(pk=draft.pk).update(created_at=now - timedelta(hours=1))

    read = {metric.name: metric.samples[0].value for metric in of_incidents()}

    assert read["slamonitor_incident_drafts"] == 1
    assert read["slamonitor_open_incidents"] == 1
    assert read["slamonitor_oldest_incident_draft_age_seconds"] >= 3600
