"""Incidents in the admin: filed and updated by reporters, read by viewers, on the page at once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person
from database import changes
from incidents.models import AffectedService, Incident, IncidentUpdate, SystemStatus
from incidents.tests.factories import incident_form, make_incident, started
from monitoring.tests.factories import make_service

LIST = "/admin/incidents/incident/"


def file(person: Person, **values: Any) -> Incident:
    answer = person.client.post(f"{LIST}add/", incident_form(**values))
    assert answer.status_code == 302, answer.context["errors"]
    return Incident.objects.get()


def say(person: Person, incident: Incident, message: str, status: str, **values: Any) -> Incident:
    given = incident_form(message, status, **{**started(incident), **values})
    answer = person.client.post(f"{LIST}{incident.pk}/change/", given)
    assert answer.status_code == 302, answer.context["errors"]
    incident.refresh_from_db()
    return incident


def test_a_reporter_files_an_incident_with_services_and_a_first_word(reporter: Person) -> None:
    for name in ("payments", "search"):
        make_service(name)
    before = changes.current("page")

    incident = file(
        reporter, message="We are looking into it.", major_services=["payments"], degraded_services=["search"]
    )

    assert (incident.created_by, incident.status) == (reporter.user, "investigating")
    assert set(AffectedService.objects.values_list("service_id", "impact")) == {
        ("payments", "major"),
        ("search", "degraded"),
    }
    update = IncidentUpdate.objects.get()
    assert (update.message, update.status, update.created_by) == (
        "We are looking into it.",
        "investigating",
        reporter.user,
    )
    assert changes.current("page") > before
    assert SystemStatus.objects.get().active_incidents == 1


def test_an_update_moves_the_incident_through_its_course(reporter: Person, admin: Person) -> None:
    incident = file(reporter)

    say(reporter, incident, "A queue is full.", "identified")
    assert (incident.status, incident.identified_at is not None, incident.resolved_at) == ("identified", True, None)

    say(admin, incident, "All is well again.", "resolved")
    assert (incident.status, incident.resolved_by) == ("resolved", admin.user)
    assert incident.duration_minutes >= 30
    assert SystemStatus.objects.get().active_incidents == 0

    say(reporter, incident, "It is back.", "investigating", **{"updates-0-reopen": "on"})
    assert (incident.resolved_at, incident.resolved_by, incident.duration_minutes) == (None, None, None)
    assert incident.updates.count() == 3


def test_saving_without_a_message_says_nothing(reporter: Person) -> None:
    incident = file(reporter)

    say(reporter, incident, "", "investigating", title="Payments fail now and then")

    assert incident.title == "Payments fail now and then"
    assert not IncidentUpdate.objects.exists()


def test_a_status_without_a_message_is_asked_for(reporter: Person) -> None:
    incident = file(reporter)

    page = reporter.client.post(f"{LIST}{incident.pk}/change/", incident_form("", "resolved"))

    assert page.status_code == 200
    incident.refresh_from_db()
    assert incident.status == "investigating"


def test_what_was_said_cannot_be_changed(reporter: Person) -> None:
    incident = file(reporter, message="We are looking into it.")
    update = IncidentUpdate.objects.get()

    reporter.client.post(
        f"{LIST}{incident.pk}/change/",
        {**incident_form("Nothing happened."), "updates-INITIAL_FORMS": "1", "updates-0-id": str(update.pk)},
    )

    update.refresh_from_db()
    assert update.message == "We are looking into it."


def test_services_can_be_taken_off_and_their_impact_changed(reporter: Person) -> None:
    for name in ("payments", "search"):
        make_service(name)
    incident = file(reporter, major_services=["payments"], degraded_services=["search"])

    say(reporter, incident, "", "investigating", partial_services=["payments"])

    assert list(AffectedService.objects.values_list("service_id", "impact")) == [("payments", "partial")]


def test_a_service_is_named_once(reporter: Person) -> None:
    make_service("payments")

    page = reporter.client.post(
        f"{LIST}add/", incident_form(major_services=["payments"], partial_services=["payments"])
    ).content.decode()

    assert "Payments is listed twice" in page
    assert not Incident.objects.exists()


def test_an_incident_does_not_begin_in_the_future_or_after_it_was_resolved(reporter: Person) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    later = {"started_at_0": f"{tomorrow:%Y-%m-%d}", "started_at_1": "00:00:00"}
    assert "This time is in the future" in reporter.client.post(f"{LIST}add/", incident_form(**later)).content.decode()

    incident = file(reporter)
    say(reporter, incident, "Well again.", "resolved")
    Incident.objects.update(resolved_at=incident.started_at + timedelta(minutes=1))
    now = timezone.now() - timedelta(seconds=5)
    moved = {"started_at_0": f"{now:%Y-%m-%d}", "started_at_1": f"{now:%H:%M:%S}"}
    page = reporter.client.post(f"{LIST}{incident.pk}/change/", incident_form(**moved)).content.decode()
    assert "Choose an earlier time" in page


def test_a_viewer_reads_all_that_was_said_and_can_change_nothing(reporter: Person, viewer: Person) -> None:
    make_service("payments")
    incident = file(reporter, message="We are looking into it.", major_services=["payments"])

    page = viewer.client.get(f"{LIST}{incident.pk}/change/").content.decode()

    assert "We are looking into it." in page
    assert 'Payments <span class="admin-muted">· Major outage</span>' in page
    assert 'name="_save"' not in page
    assert 'name="updates-0-message"' not in page
    assert viewer.client.post(f"{LIST}{incident.pk}/change/", incident_form("No.", "resolved")).status_code == 403


def test_list_says_how_it_is_and_takes_a_fixed_number_of_queries(
    viewer: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_service("payments")
    for number in range(3):
        incident = make_incident(title=f"No {number}", started_at=timezone.now())
        AffectedService.objects.create(incident=incident, service_id="payments", impact="major")
    viewer.client.get(LIST)

    with django_assert_num_queries(5):  # session, user, count, incidents, services
        page = viewer.client.get(LIST).content.decode()

    assert "Investigating</span>" in page
    assert "Payments" in page


@pytest.mark.parametrize("role", ["viewer", "reporter", "admin"])
def test_menu_shows_what_the_role_may_do(cast: dict[str, Person], role: str) -> None:
    page = cast[role].client.get(LIST).content.decode()

    assert "/admin/checks/" in page
    assert 'href="/admin/monitoring/service/"' in page
    assert ('href="/admin/accounts/user/"' in page) == (role == "admin")
    assert ('href="/admin/incidents/incident/add/"' in page) == (role != "viewer")


def test_times_say_their_zone_and_durations_are_in_the_readers_language(reporter: Person, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = ZoneInfo("Asia/Seoul")
    started_at = datetime(2025, 3, 9, 5, 2, tzinfo=UTC)
    over: dict[str, Any] = {
        "status": "resolved",
        "resolved_at": started_at + timedelta(minutes=64),
        "duration_minutes": 64,
    }
    make_incident(title="Payments fail", started_at=started_at, **over)

    page = reporter.client.get(LIST, headers={"accept-language": "ko"}).content.decode()
    form = reporter.client.get(f"{LIST}add/").content.decode()

    assert "2025-03-09 14:02 KST" in page
    assert "1시간 4분" in page
    assert "In Asia/Seoul." in form
