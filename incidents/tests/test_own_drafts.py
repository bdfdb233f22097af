"""Drafts that people file: nobody outside sees them until somebody publishes them."""

from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.tests.cast import Person, make_person
from incidents.models import Incident, IncidentUpdate, SystemStatus
from incidents.tests.factories import incident_form, started
from monitoring.tests.factories import make_service

LIST = "/admin/incidents/incident/"
TITLE = "Payments of one bank fail"


def drafted(person: Person, message: str = "We are looking into it.", **values: str) -> Incident:
    given = incident_form(message, title=TITLE, _draft="1", **values)
    answer = person.client.post(f"{LIST}add/", given)
    assert answer.status_code == 302, answer.context["errors"]
    return Incident.objects.get()


def test_a_draft_of_a_person_is_on_no_public_surface(reporter: Person, client: Client) -> None:
    incident = drafted(reporter)

    assert (incident.published_at, incident.created_by, incident.is_automatic) == (None, reporter.user, False)
    assert SystemStatus.objects.get().active_incidents == 0
    assert not IncidentUpdate.objects.public().exists()
    make_service("payments")
    for address in ("/", "/services/payments/ledger.json?from=2025-03-10&to=2025-03-11", "/metrics"):
        answer = client.get(address)
        page = answer.content.decode()
        assert answer.status_code == 200, address
        assert TITLE not in page and "We are looking into it." not in page, address
    page = reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()
    assert "A draft; customers do not see it" in page
    assert "Save draft" in page


def test_a_draft_keeps_its_first_update_until_it_is_published(reporter: Person, admin: Person) -> None:
    incident = drafted(reporter, status="identified")
    given = incident_form("We know why.", "identified", title=TITLE, **started(incident))
    given |= {"updates-0-message_ko": "원인을 찾았습니다."}
    assert reporter.client.post(f"{LIST}{incident.pk}/change/", given).status_code == 302
    assert IncidentUpdate.objects.get().published_at is None

    before = timezone.now()
    admin.client.post(f"{LIST}{incident.pk}/decide/", {"decision": "publish"})

    incident.refresh_from_db()
    update = IncidentUpdate.objects.public().get()
    assert (incident.status, incident.published_by) == ("identified", admin.user)
    assert (update.message, update.message_translations) == ("We know why.", {"ko": "원인을 찾았습니다."})
    assert update.created_at == incident.first_update_at >= before, "customers read it only now"
    assert SystemStatus.objects.get().active_incidents == 1


def test_a_draft_without_an_update_is_published_as_it_is(reporter: Person) -> None:
    incident = drafted(reporter, message="")
    assert "customers would see only the title" in reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()

    reporter.client.post(f"{LIST}{incident.pk}/decide/", {"decision": "publish"})

    incident.refresh_from_db()
    assert (incident.published_by, incident.first_update_at) == (reporter.user, None)


def test_a_draft_starts_in_the_past(reporter: Person) -> None:
    later = {"started_at_0": "2999-01-01", "started_at_1": "00:00:00"}

    page = reporter.client.post(f"{LIST}add/", incident_form(_draft="1", **later)).content.decode()

    assert "This time is in the future" in page
    assert not Incident.objects.exists()


def test_an_incident_that_is_published_at_once_is_acknowledged(reporter: Person) -> None:
    assert reporter.client.post(f"{LIST}add/", incident_form("We are looking into it.")).status_code == 302

    incident = Incident.objects.get()
    assert (incident.acknowledged_by, incident.published_by) == (reporter.user, reporter.user)
    assert incident.first_update_at is not None


def test_a_dismissed_draft_has_no_form_for_updates(reporter: Person) -> None:
    incident = drafted(reporter)
    reporter.client.post(f"{LIST}{incident.pk}/decide/", {"decision": "dismiss"})

    page = reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()

    assert "This draft was dismissed; customers do not see it." in page
    assert "Save and publish" not in page and "updates-0-message" not in page
    given = incident_form(title="Login fails", **started(incident))
    assert reporter.client.post(f"{LIST}{incident.pk}/change/", given).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_publish_with_changes_one_is_told_so() -> None:
    people = [make_person("reporter", username=name) for name in ("anna", "ben")]
    incident = drafted(people[0])
    barrier, pages = Barrier(2), []

    def save(person: Person) -> None:
        given = incident_form(f"{person.user} looks into it.", title=TITLE, _publish="1", **started(incident))
        barrier.wait(30)
        pages.append(person.client.post(f"{LIST}{incident.pk}/change/", given, follow=True).content.decode())
        connection.close()

    threads = [Thread(target=save, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    incident.refresh_from_db()
    told = [f"{incident.published_by} has already published this incident." in page for page in pages]
    assert sorted(told) == [False, True]
    assert IncidentUpdate.objects.public().get().message == f"{incident.published_by} looks into it."
