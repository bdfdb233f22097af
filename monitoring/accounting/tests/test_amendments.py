from datetime import UTC, date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from monitoring.accounting import amendments
from monitoring.engine import recording
from monitoring.models import AccountingPolicy, MaintenanceWindow, Restatement, RollupRequest, Service
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

NOW = START + timedelta(days=5, hours=12)
TODAY = date(2025, 3, 15)


def days_asked_for() -> list[date]:
    return sorted(RollupRequest.objects.values_list("date", flat=True))


def make_restatement(**fields: Any) -> Restatement:
    values = {
        "since": START,
        "until": START + timedelta(days=1, hours=1),
        "restated_as": "operational",
        "reason": "ours",
    }
    return Restatement.objects.create(service=make_service(), proposed_at=NOW, **{**values, **fields})


def test_a_changed_policy_is_the_next_version() -> None:
    policy = AccountingPolicy(effective_on=TODAY + timedelta(days=1), failure_threshold=3)

    stored = amendments.next_version(policy, author=None, now=NOW, zone=UTC)

    assert (stored.version, stored.failure_threshold) == (2, 3)
    assert AccountingPolicy.objects.get(version=1).failure_threshold == 2


@pytest.mark.parametrize("day", [TODAY - timedelta(days=1), TODAY])
def test_a_version_cannot_change_the_past_hours_of_today_included(day: Any) -> None:
    policy = AccountingPolicy(effective_on=day)

    with pytest.raises(ValidationError, match=r"2025-03-1\d is too early.*Choose 2025-03-16 or a later day"):
        amendments.next_version(policy, author=None, now=NOW, zone=UTC)


def test_an_approved_restatement_has_its_closed_days_accounted_again() -> None:
    restatement = make_restatement()
    admin = User.objects.create_user("boss", "boss@example.com", role="admin")

    amendments.decide(restatement, is_approved=True, by=admin, now=NOW, zone=UTC)

    restatement.refresh_from_db()
    assert (restatement.is_approved, restatement.decided_by) == (True, admin)
    assert days_asked_for() == [date(2025, 3, 10), date(2025, 3, 11)]
    with pytest.raises(ValidationError, match="decided on this"):
        amendments.decide(restatement, is_approved=False, by=admin, now=NOW, zone=UTC)


def test_nobody_approves_their_own_restatement_while_another_admin_could() -> None:
    boss = User.objects.create_user("boss", "boss@example.com", role="admin")
    other = User.objects.create_user("other", "other@example.com", role="admin")
    restatement = make_restatement(proposed_by=boss)

    with pytest.raises(ValidationError, match=r"another admin has to approve it\. Ask one of: other"):
        amendments.decide(restatement, is_approved=True, by=boss, now=NOW, zone=UTC)
    assert days_asked_for() == []

    amendments.decide(restatement, is_approved=True, by=other, now=NOW, zone=UTC)
    restatement.refresh_from_db()
    assert (restatement.is_approved, restatement.is_self_approved) == (True, False)


@pytest.mark.parametrize("other", [{"role": "reporter"}, {"role": "admin", "is_active": False}])
def test_the_only_admin_approves_their_own_and_the_row_says_so(other: Any) -> None:
    boss = User.objects.create_user("boss", "boss@example.com", role="admin")
    User.objects.create(username="other", email="other@example.com", **other)
    restatement = make_restatement(proposed_by=boss)

    amendments.decide(restatement, is_approved=True, by=boss, now=NOW, zone=UTC)

    restatement.refresh_from_db()
    assert (restatement.is_approved, restatement.is_self_approved) == (True, True)


def test_anybody_takes_back_their_own_proposal() -> None:
    boss = User.objects.create_user("boss", "boss@example.com", role="admin")
    User.objects.create_user("other", "other@example.com", role="admin")
    restatement = make_restatement(proposed_by=boss)

    amendments.decide(restatement, is_approved=False, by=boss, now=NOW, zone=UTC)

    restatement.refresh_from_db()
    assert (restatement.is_approved, restatement.is_self_approved) == (False, False)


def test_no_way_around_leaves_an_own_approval_unsaid() -> None:
    boss = User.objects.create_user("boss", "boss@example.com", role="admin")
    restatement = make_restatement(proposed_by=boss)

    with pytest.raises(IntegrityError, match="restatements_say_self_approved"), transaction.atomic():
        Restatement.objects.filter(pk=restatement.pk).update(is_approved=True, decided_by=boss, decided_at=NOW)


def test_a_changed_window_keeps_what_it_said_and_who_entered_it() -> None:
    scribe = User.objects.create_user("scribe", "scribe@example.com", role="admin")
    boss = User.objects.create_user("boss", "boss@example.com", role="admin")
    window = MaintenanceWindow(service=make_service(), since=START, until=START + timedelta(hours=2), reason="disk")
    amendments.keep_span(window, by=scribe, now=START - timedelta(days=1), zone=UTC)

    window.until = START + timedelta(hours=3)
    amendments.keep_span(window, by=boss, now=NOW, zone=UTC)

    [earlier] = window.earlier.all()
    assert (earlier.until, earlier.author, earlier.created_at) == (
        START + timedelta(hours=2),
        scribe,
        START - timedelta(days=1),
    )
    assert (earlier.replaced_at, earlier.replaced_by, earlier.reason) == (NOW, boss, "disk")
    assert (window.author, window.created_at) == (boss, NOW)
    assert MaintenanceWindow.objects.maintenance().get() == window


def test_only_what_is_late_is_warned_of() -> None:
    window = MaintenanceWindow(service=make_service(), since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1))
    amendments.keep_span(window, now=NOW - timedelta(hours=2), zone=UTC)
    window.until = NOW + timedelta(hours=5)
    amendments.keep_span(window, now=NOW, zone=UTC)
    assert not amendments.is_late(window, NOW, UTC)

    window.since = NOW - timedelta(hours=2)
    amendments.keep_span(window, now=NOW, zone=UTC)
    assert amendments.is_late(window, NOW, UTC)


def test_to_word_a_window_otherwise_does_not_enter_it_again() -> None:
    scribe = User.objects.create_user("scribe", "scribe@example.com", role="admin")
    window = MaintenanceWindow(service=make_service(), since=START, until=START + timedelta(hours=2), reason="disk")
    amendments.keep_span(window, by=scribe, now=START, zone=UTC)

    window.reason = "new disk"
    amendments.keep_span(window, by=None, now=NOW, zone=UTC)

    window.refresh_from_db()
    assert (window.author, window.created_at) == (scribe, START)
    assert [row.reason for row in window.earlier.all()] == ["disk"]


def test_a_rejected_restatement_changes_nothing() -> None:
    admin = User.objects.create_user("boss", "boss@example.com", role="admin")

    amendments.decide(make_restatement(), is_approved=False, by=admin, now=NOW, zone=UTC)

    assert days_asked_for() == []


def test_a_maintenance_window_in_the_past_has_its_days_accounted_again_also_the_ones_it_left() -> None:
    service = make_service()
    window = MaintenanceWindow(service=service, since=START, until=START + timedelta(hours=2))
    amendments.keep_span(window, now=NOW, zone=UTC)
    RollupRequest.objects.all().delete()

    window.since, window.until = START + timedelta(days=2), START + timedelta(days=2, hours=1)
    amendments.keep_span(window, now=NOW, zone=UTC)

    assert days_asked_for() == [date(2025, 3, 10), date(2025, 3, 12)]


def test_windows_that_meet_are_found_those_of_all_services_too() -> None:
    service, other = make_service(), make_service("other")
    hour = timedelta(hours=1)
    whole = MaintenanceWindow.objects.create(service=None, since=START, until=START + 2 * hour)
    MaintenanceWindow.objects.create(service=other, since=START, until=START + 2 * hour)
    MaintenanceWindow.objects.create(service=service, since=START + 2 * hour, until=START + 3 * hour)

    window = MaintenanceWindow(service=service, since=START + hour, until=START + 2 * hour)

    assert [span.pk for span in amendments.overlapping(window)] == [whole.pk]


def test_an_admin_adds_a_version_in_the_admin_and_a_reporter_proposes(client: Client, cast_of_books: Any) -> None:
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
    assert "Public: shown in the ledger" in client.get("/admin/monitoring/restatement/add/").content.decode()
    assert client.post(url, {"decision": "approve"}).status_code == 403

    client.force_login(admin)
    assert client.post(url, {"decision": "approve"}).status_code == 302
    assert Restatement.objects.get().is_approved


def test_a_window_in_the_past_is_entered_in_the_admin_with_a_warning_and_keeps_its_history(
    client: Client, cast_of_books: Any
) -> None:
    admin, _reporter, service = cast_of_books
    client.force_login(admin)
    form = {"service": service.pk, "reason": "disk", "since_0": "2025-03-10", "since_1": "00:00"}
    form |= {"until_0": "2025-03-10", "until_1": "01:00"}

    answer = client.post("/admin/monitoring/maintenancewindow/add/", form, follow=True)
    assert "entered too late" in answer.content.decode()
    url = f"/admin/monitoring/maintenancewindow/{(window := MaintenanceWindow.objects.get()).pk}/change/"
    client.post(url, {**form, "until_1": "00:30"})

    page = " ".join(client.get(url).content.decode().split())
    assert (window.author, MaintenanceWindow.objects.maintenance().get().pk) == (admin, window.pk)
    assert "Earlier versions:" in page and "by boss, changed" in page
    assert client.get(f"/admin/monitoring/maintenancewindow/{window.earlier.get().pk}/change/").status_code == 302


def test_who_proposed_is_told_whom_to_ask(client: Client, cast_of_books: Any) -> None:
    admin, *_others = cast_of_books
    User.objects.create_user("second", "second@example.com", role="admin")
    client.force_login(admin)
    restatement = Restatement.objects.create(
        service=Service.objects.get(),
        since=START,
        until=START + timedelta(hours=1),
        restated_as="operational",
        reason="ours",
        proposed_at=NOW,
        proposed_by=admin,
    )

    page = client.get(f"/admin/monitoring/restatement/{restatement.pk}/change/").content.decode()
    url = f"/admin/monitoring/restatement/{restatement.pk}/decide/"
    answer = client.post(url, {"decision": "approve"}, follow=True).content.decode()

    assert "Ask one of: second" in page and 'value="approve"' not in page and 'value="reject"' in page
    assert "Ask one of: second" in answer
    assert Restatement.objects.get().is_approved is None


def test_what_is_still_to_come_cannot_be_restated(client: Client, cast_of_books: Any) -> None:
    _admin, reporter, service = cast_of_books
    client.force_login(reporter)
    form = {"service": service.pk, "restated_as": "operational", "reason": "our mistake"}
    form |= {"since_0": "2025-03-10", "since_1": "00:00", "until_0": "2999-03-10", "until_1": "01:00"}

    answer = client.post("/admin/monitoring/restatement/add/", form)

    assert "Choose a time in the past" in answer.content.decode()
    assert not Restatement.objects.exists()


def test_a_restatement_that_is_not_there_is_not_found(client: Client, cast_of_books: Any) -> None:
    client.force_login(cast_of_books[0])

    assert client.post("/admin/monitoring/restatement/99/decide/", {"decision": "approve"}).status_code == 404


@pytest.fixture
def cast_of_books() -> Any:
    admin = User.objects.create_user("boss", "boss@example.com", role="admin")
    reporter = User.objects.create_user("scribe", "scribe@example.com", role="reporter")
    return admin, reporter, make_service()


def policy_form(**fields: Any) -> Any:
    day = timezone.now().date() + timedelta(days=2)  # today may be over when it is judged
    rules = {"name": "standard", "effective_on": day.isoformat(), "failure_threshold": 2, "recovery_threshold": 1}
    more = {"gap_factor": "2.5", "partial_weight_percent": 100, "major_below": "95", "reason": "as agreed"}
    return {**rules, **more, "maintenance_notice_hours": 24, "late_maintenance": "count", **fields}


def test_the_engine_confirms_by_the_version_in_force() -> None:
    make_service()
    AccountingPolicy.objects.create(name="standard", version=2, effective_on=date(2020, 1, 1), failure_threshold=3)

    recording.record([make_result(s, "bad") for s in (0, 60)], NOW)
    assert Service.objects.get().status == "nd"
    recording.record([make_result(120, "bad")], NOW)

    assert Service.objects.get().status == "mo"
