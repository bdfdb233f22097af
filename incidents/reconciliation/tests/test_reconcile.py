"""Findings: outages from real ledgers, kept until they are gone or explained."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from accounts.tests.cast import Person
from incidents.models import AffectedService, Finding
from incidents.reconciliation.reconcile import explain, last_compared_at, reconcile
from incidents.reconciliation.remedies import file_draft, link, take_over
from incidents.reporting import dismiss, publish_incident
from incidents.tests.factories import make_incident
from monitoring.engine import recording
from monitoring.models import Service, UptimeRecord
from monitoring.tests.factories import START, make_result, make_service

UTC_ZONE = ZoneInfo("UTC")
HOUR = timedelta(hours=1)
NOW = START + 3 * HOUR

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _an_hour_of_outage() -> None:
    """Payments answer for an hour, fail for an hour and answer again."""
    service = make_service("payments", check_interval=300_000)
    Service.objects.update(created_at=START)
    for hour, verdict in enumerate(("ok", "bad", "ok")):
        seconds = range(hour * 3600, (hour + 1) * 3600, 300)
        recording.record([make_result(s, verdict, interval_ms=300_000) for s in seconds], NOW)
    UptimeRecord.objects.create(service=service, date=START.date(), status="mo", down_s=3600, operational_s=7200)


def told(start: timedelta, end: timedelta) -> int:
    incident = make_incident(
        started_at=START + start, resolved_at=START + end, status="resolved", published_at=START + start
    )
    AffectedService.objects.create(incident=incident, service_id="payments", impact="major")
    return incident.pk


def open_findings() -> list[str]:
    return list(Finding.objects.open().order_by("kind").values_list("kind", flat=True))


def test_an_outage_without_an_incident_is_found_once() -> None:
    assert reconcile(NOW, UTC_ZONE) == 1
    assert reconcile(NOW + HOUR, UTC_ZONE) == 1

    finding = Finding.objects.get()
    assert (finding.kind, finding.service_id) == ("unreported", "payments")
    assert (finding.measured_at, finding.measured_until) == (START + HOUR, START + 2 * HOUR)


def test_an_outage_in_sample_data_is_no_finding() -> None:
    Service.objects.update(metadata={"sample_until": NOW.isoformat()})

    assert reconcile(NOW, UTC_ZONE) == 0


def test_an_incident_of_a_short_outage_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incidents.reconciliation.reconcile.SHORTEST", 2 * HOUR)
    assert reconcile(NOW, UTC_ZONE) == 0
    told(HOUR, 2 * HOUR)

    assert reconcile(NOW, UTC_ZONE) == 0


def test_the_last_comparison_is_known() -> None:
    assert last_compared_at() is None

    reconcile(NOW, UTC_ZONE)

    assert last_compared_at() == NOW


def test_a_finding_is_deleted_once_an_incident_tells_the_outage() -> None:
    reconcile(NOW, UTC_ZONE)
    told(HOUR, 2 * HOUR)

    assert reconcile(NOW, UTC_ZONE) == 0
    assert not Finding.objects.exists()


def test_times_that_disagree_are_found_with_both() -> None:
    told(HOUR + timedelta(minutes=10), 3 * HOUR)

    assert reconcile(NOW, UTC_ZONE) == 2

    assert open_findings() == ["end", "start"]
    start = Finding.objects.get(kind="start")
    assert (start.measured_at, start.told_at) == (START + HOUR, START + HOUR + timedelta(minutes=10))


def test_a_finding_that_was_explained_stays_explained(reporter: Person) -> None:
    reconcile(NOW, UTC_ZONE)
    finding = Finding.objects.get()

    explain(finding.pk, "A test of the alarm.", who=reporter.user, now=NOW)

    assert reconcile(NOW + HOUR, UTC_ZONE) == 0
    assert Finding.objects.get().explanation == "A test of the alarm."
    with pytest.raises(ValidationError, match=f"{reporter.user} has already explained"):
        explain(finding.pk, "Another reason.", who=None, now=NOW)


def test_a_finding_is_not_explained_without_a_reason() -> None:
    reconcile(NOW, UTC_ZONE)

    with pytest.raises(ValidationError, match="Enter the reason"):
        explain(Finding.objects.get().pk, "  ", who=None, now=NOW)

    assert open_findings() == ["unreported"]


def test_a_draft_that_was_filed_settles_the_outage_until_it_is_dismissed(reporter: Person) -> None:
    reconcile(NOW, UTC_ZONE)

    draft = file_draft(Finding.objects.get().pk, who=reporter.user, now=NOW)

    assert reconcile(NOW, UTC_ZONE) == 0
    dismiss(draft, who=reporter.user, now=NOW)
    assert reconcile(NOW, UTC_ZONE) == 1


def test_a_draft_that_was_filed_and_published_agrees_with_the_measurement(reporter: Person) -> None:
    reconcile(NOW, UTC_ZONE)

    publish_incident(file_draft(Finding.objects.get().pk, who=reporter.user, now=NOW), who=reporter.user, now=NOW)

    assert reconcile(NOW, UTC_ZONE) == 0


@pytest.mark.parametrize(("start", "end"), [(10, 60), (0, 80), (-30, 40)])
def test_measured_times_that_were_taken_over_settle_the_findings(reporter: Person, start: int, end: int) -> None:
    told(HOUR + timedelta(minutes=start), HOUR + timedelta(minutes=end))
    assert reconcile(NOW, UTC_ZONE) > 0

    for finding in Finding.objects.all():
        take_over(finding.pk, who=reporter.user, now=NOW)

    assert reconcile(NOW, UTC_ZONE) == 0


def test_an_outage_that_was_linked_is_told(reporter: Person) -> None:
    reconcile(NOW, UTC_ZONE)
    incident = make_incident(started_at=START + HOUR, resolved_at=START + 2 * HOUR, status="resolved")

    link(Finding.objects.get().pk, incident.pk, now=NOW)

    assert reconcile(NOW, UTC_ZONE) == 0
