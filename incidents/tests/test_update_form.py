"""The form of a new update in the admin: translations, impacts, schedule, reopening, and bad input."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.tests.cast import Person
from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.tests.factories import incident_form, make_incident, started
from monitoring.models import Service
from monitoring.tests.factories import make_service

LIST = "/admin/incidents/incident/"
HOUR = timedelta(hours=1)
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def opened(**values: Any) -> Incident:
    """Return a published incident of an hour ago that affects a service."""
    incident = make_incident(started_at=timezone.now().replace(microsecond=0) - HOUR, **values)
    AffectedService.objects.create(incident=incident, service=make_service("payments"), impact="major")
    return incident


def resolved() -> Incident:
    now = timezone.now().replace(microsecond=0)
    return opened(status="resolved", identified_at=now - HOUR, resolved_at=now, duration_minutes=60)


def send(person: Person, incident: Incident, message: str = "", status: str = "investigating", **fields: Any) -> str:
    """Send the form of an incident with a new update, whose fields are named without their prefix; return the page."""
    update = {f"updates-0-{name.replace('___', '-')}": value for name, value in fields.items()}
    kept = {"major_services": ["payments"], **started(incident)}
    url = f"{LIST}{incident.pk}/change/"
    answer = person.client.post(url, incident_form(message, status, **kept, **update), follow=True)
    assert answer.status_code == 200
    incident.refresh_from_db()
    return str(answer.content.decode())


def in_an_hour() -> dict[str, str]:
    at = timezone.localtime(timezone.now() + HOUR)
    return {"publish_at_0": f"{at:%Y-%m-%d}", "publish_at_1": f"{at:%H:%M:%S}"}


def test_an_update_has_a_text_for_each_language(reporter: Person) -> None:
    incident = opened()

    send(reporter, incident, "We know why.", "identified", message_ko="원인을 찾았습니다.")

    update = incident.updates.get()
    assert (update.message, update.message_translations) == ("We know why.", {"ko": "원인을 찾았습니다."})


def test_titles_are_translated(reporter: Person) -> None:
    incident = opened(title_translations={"ko": "결제 실패"})

    page = reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()
    assert 'value="결제 실패"' in page
    values = incident_form(title_ko="결제 장애", **started(incident))
    assert reporter.client.post(f"{LIST}{incident.pk}/change/", values).status_code == 302

    incident.refresh_from_db()
    assert incident.title_translations == {"ko": "결제 장애"}


def test_an_update_changes_the_impact_from_then_on(reporter: Person) -> None:
    incident = opened()

    send(reporter, incident, "It is slow now.", "monitoring", impact___payments="degraded")
    send(reporter, incident, "Still slow.", "monitoring")

    assert [update.impacts for update in incident.updates.order_by("id")] == [{"payments": "degraded"}, None]


def test_a_service_that_the_form_takes_off_stays_off(reporter: Person) -> None:
    incident = opened()
    values = incident_form("It was another one.", **started(incident), **{"updates-0-impact-payments": "degraded"})

    assert reporter.client.post(f"{LIST}{incident.pk}/change/", values).status_code == 302

    assert not AffectedService.objects.exists()
    assert incident.updates.get().impacts is None


def test_an_archived_service_stays_affected(reporter: Person) -> None:
    incident = opened()
    Service.objects.update(archived_at=timezone.now())

    assert '<option value="payments" selected' in reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()
    send(reporter, incident, "We know why.", "identified")

    assert AffectedService.objects.get().impact == "major"
    assert incident.status == "identified"
    page = reporter.client.post(f"{LIST}add/", incident_form(major_services=["payments"])).content.decode()
    assert "Select a valid choice" in page


def test_a_scheduled_update_waits(reporter: Person) -> None:
    incident = opened()

    page = send(reporter, incident, "It runs again.", "monitoring", impact___payments="degraded", **in_an_hour())

    update = IncidentUpdate.objects.get()
    assert (update.published_at, update.created_by, update.impacts) == (None, reporter.user, {"payments": "degraded"})
    assert incident.status == "investigating"
    assert AffectedService.objects.get().impact == "major"
    assert "scheduled</span>" in page and "Publish now" in page


def test_a_time_that_has_passed_is_refused(reporter: Person) -> None:
    incident = opened()

    page = send(reporter, incident, "Again.", publish_at_0="2025-03-09", publish_at_1="12:00:00")

    assert "2025-03-09 12:00 UTC has passed. Choose a later time, or publish the update now." in page
    assert not IncidentUpdate.objects.exists()


def test_a_resolved_incident_is_reopened_only_by_the_switch(reporter: Person) -> None:
    incident = resolved()

    page = send(reporter, incident, "It is back.", "investigating")
    assert "This incident is resolved. Turn on “Reopen the incident”" in page
    assert (incident.status, incident.updates.count()) == ("resolved", 0)

    assert "Choose the status" in send(reporter, incident, "It is back.", "resolved", reopen="on")
    assert "reopened at once" in send(reporter, incident, "It is back.", "monitoring", reopen="on", **in_an_hour())
    assert incident.status == "resolved"

    send(reporter, incident, "It is back.", "investigating", reopen="on")
    assert (incident.status, incident.resolved_at) == ("investigating", None)


def test_a_postscript_leaves_the_incident_resolved(reporter: Person) -> None:
    incident = resolved()
    end = incident.resolved_at

    send(reporter, incident, "A broken cable was the reason.", "resolved")

    assert (incident.status, incident.resolved_at, incident.updates.count()) == ("resolved", end, 1)


def test_the_switch_is_shown_only_for_resolved_incidents(reporter: Person) -> None:
    incident = opened()
    assert "updates-0-reopen" not in reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()

    # Somebody else resolves it while the page is open.
    now = timezone.now()
    Incident.objects.update(status="resolved", resolved_at=now, identified_at=now)
    assert 'name="updates-0-reopen"' in send(reporter, incident, "Still looking.", "investigating")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 100_000, "This text has 100000 characters. Shorten it to 20000."),
        ("a\x07b", "The character U+0007 at position 2 cannot be shown. Remove it."),
    ],
)
@pytest.mark.parametrize("field", ["message", "message_ko"])
def test_a_text_that_cannot_be_shown_is_refused(reporter: Person, field: str, text: str, words: str) -> None:
    incident = opened()

    page = send(reporter, incident, **{"message": "We know why.", field: text})

    assert words in page
    assert not IncidentUpdate.objects.exists()


def test_what_people_write_is_text_on_every_page(reporter: Person, client: Client) -> None:
    table = "|a|b|\n|-|-|\n" + f"|{SCRIPT}|x|\n" * 200
    incident = opened(title=SCRIPT)
    send(reporter, incident, f"{SCRIPT}\n\n{table}\n\n\u202eevil [x](javascript:alert(1))", message_ko=SCRIPT)

    for address, visitor in {
        f"{LIST}{incident.pk}/change/": reporter.client,
        LIST: reporter.client,
        "/": client,
    }.items():
        page = visitor.get(address).content.decode()
        assert "<script>alert" not in page and "<img src=x" not in page and 'href="javascript' not in page, address
    page = reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()
    assert page.count("<tr>") >= 200


def test_many_services_share_the_form_of_the_incident(reporter: Person) -> None:
    incident = opened()
    for number in range(25):
        service = make_service(f"node-{number:02}")
        AffectedService.objects.create(incident=incident, service=service, impact="partial")

    page = reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()

    assert page.count('name="updates-0-impact-') == 20
    assert "6 more services: change their impact under “Affected services”." in page
