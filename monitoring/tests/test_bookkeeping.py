from datetime import UTC, date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import User
from monitoring import bookkeeping, recording
from monitoring.models import AccountingPolicy, MaintenanceWindow, Restatement, RollupRequest, Service
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

NOW = START + timedelta(days=5, hours=12)
TODAY = date(2025, 3, 15)


def days_asked_for() -> list[date]:
    return sorted(RollupRequest.objects.values_list("date", flat=True))


def make_restatement(**fields) -> Restatement:
    values = {
        "since": START,
        "until": START + timedelta(days=1, hours=1),
        "restated_as": "operational",
        "reason": "ours",
    }
    return Restatement.objects.create(service=make_service(), proposed_at=NOW, **{**values, **fields})


def test_a_changed_policy_is_the_next_version():
    policy = AccountingPolicy(effective_on=TODAY, failure_threshold=3)

    stored = bookkeeping.next_version(policy, author=None, now=NOW, zone=UTC)

    assert (stored.version, stored.failure_threshold) == (2, 3)
    assert AccountingPolicy.objects.get(version=1).failure_threshold == 2


def test_a_version_cannot_change_the_past():
    policy = AccountingPolicy(effective_on=TODAY - timedelta(days=1))

    with pytest.raises(ValidationError, match="is over"):
        bookkeeping.next_version(policy, author=None, now=NOW, zone=UTC)


def test_an_approved_restatement_has_its_closed_days_accounted_again():
    restatement = make_restatement()
    admin = User.objects.create_user("boss", "boss@example.com", role="admin")

    bookkeeping.decide(restatement, is_approved=True, by=admin, now=NOW, zone=UTC)

    restatement.refresh_from_db()
    assert (restatement.is_approved, restatement.decided_by) == (True, admin)
    assert days_asked_for() == [date(2025, 3, 10), date(2025, 3, 11)]
    with pytest.raises(ValidationError, match="decided about this"):
        bookkeeping.decide(restatement, is_approved=False, by=admin, now=NOW, zone=UTC)


def test_a_rejected_restatement_changes_nothing():
    admin = User.objects.create_user("boss", "boss@example.com", role="admin")

    bookkeeping.decide(make_restatement(), is_approved=False, by=admin, now=NOW, zone=UTC)

    assert days_asked_for() == []


def test_a_maintenance_window_in_the_past_has_its_days_accounted_again_also_the_ones_it_left():
    service = make_service()
    window = MaintenanceWindow(service=service, since=START, until=START + timedelta(hours=2))
    bookkeeping.keep_span(window, before=None, now=NOW, zone=UTC)
    RollupRequest.objects.all().delete()

    before = MaintenanceWindow.objects.get(pk=window.pk)
    window.since, window.until = START + timedelta(days=2), START + timedelta(days=2, hours=1)
    bookkeeping.keep_span(window, before=before, now=NOW, zone=UTC)

    assert days_asked_for() == [date(2025, 3, 10), date(2025, 3, 12)]


def test_windows_that_meet_are_found_those_of_all_services_too():
    service, other = make_service(), make_service("other")
    hour = timedelta(hours=1)
    whole = MaintenanceWindow.objects.create(service=None, since=START, until=START + 2 * hour)
    MaintenanceWindow.objects.create(service=other, since=START, until=START + 2 * hour)
    MaintenanceWindow.objects.create(service=service, since=START + 2 * hour, until=START + 3 * hour)

    window = MaintenanceWindow(service=service, since=START + hour, until=START + 2 * hour)

    assert [span.pk for span in bookkeeping.overlapping(window)] == [whole.pk]


def test_an_admin_adds_a_version_at_the_desk_and_a_reporter_proposes(client, cast_of_books):
    admin, reporter, service = cast_of_books
    client.force_login(admin)
    answer = client.post("/admin/monitoring/accountingpolicy/add/", policy_form(failure_threshold=4))
    assert answer.status_code == 302, answer.content.decode()
    assert AccountingPolicy.objects.get(version=2).author == admin

    client.force_login(reporter)
    form = {"service": service.pk, "restated_as": "operational", "reason": "our mistake"}
    form |= {"since_0": "2025-03-10", "since_1": "00:00", "until_0": "2025-03-10", "until_1": "01:00"}
    answer = client.post("/admin/monitoring/restatement/add/", form)
    assert answer.status_code == 302, answer.content.decode()
    proposed = Restatement.objects.get()
    url = f"/admin/monitoring/restatement/{proposed.pk}/decide/"
    assert client.post(url, {"decision": "approve"}).status_code == 403

    client.force_login(admin)
    assert client.post(url, {"decision": "approve"}).status_code == 302
    assert Restatement.objects.get().is_approved


def test_what_is_still_to_come_cannot_be_restated(client, cast_of_books):
    _admin, reporter, service = cast_of_books
    client.force_login(reporter)
    form = {"service": service.pk, "restated_as": "operational", "reason": "our mistake"}
    form |= {"since_0": "2025-03-10", "since_1": "00:00", "until_0": "2999-03-10", "until_1": "01:00"}

    answer = client.post("/admin/monitoring/restatement/add/", form)

    assert "Choose a time that is over" in answer.content.decode()
    assert not Restatement.objects.exists()


def test_a_restatement_that_is_not_there_is_not_found(client, cast_of_books):
    client.force_login(cast_of_books[0])

    assert client.post("/admin/monitoring/restatement/99/decide/", {"decision": "approve"}).status_code == 404


@pytest.fixture
def cast_of_books():
    admin = User.objects.create_user("boss", "boss@example.com", role="admin")
    reporter = User.objects.create_user("scribe", "scribe@example.com", role="reporter")
    return admin, reporter, make_service()


def policy_form(**fields):
    tomorrow = timezone.now().date() + timedelta(days=1)  # today may be over when it is judged
    rules = {"name": "standard", "effective_on": tomorrow.isoformat(), "failure_threshold": 2, "recovery_threshold": 1}
    more = {"gap_factor": "2.5", "partial_weight_percent": 100, "major_below": "95", "reason": "as agreed"}
    return {**rules, **more, **fields}


def test_the_engine_confirms_by_the_version_in_force():
    make_service()
    AccountingPolicy.objects.create(name="standard", version=2, effective_on=date(2020, 1, 1), failure_threshold=3)

    recording.record([make_result(s, "bad") for s in (0, 60)], NOW)
    assert Service.objects.get().status == "nd"
    recording.record([make_result(120, "bad")], NOW)

    assert Service.objects.get().status == "mo"
