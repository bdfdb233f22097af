"""Drafts in the admin: their evidence, and decisions with one click."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.tests.cast import Person, make_person
from incidents.models import AffectedService, Incident, IncidentUpdate, SystemStatus
from incidents.outages.tests.outages import at, change, fail, proposal, recover, run
from incidents.tests.factories import incident_form, make_incident
from monitoring.engine import recording
from monitoring.tests.factories import START, make_result, make_service

LIST = "/admin/incidents/incident/"


def draft(*ids: str) -> Incident:
    for id in ids or ("payments",):
        make_service(id)
    fail(*(ids or ("payments",)), seconds=60)
    run(65)
    return Incident.objects.drafts().get()


def decide(person: Person, incident: Incident, decision: str) -> str:
    answer = person.client.post(f"{LIST}{incident.pk}/decide/", {"decision": decision}, follow=True)
    assert answer.status_code == 200
    incident.refresh_from_db()
    return str(answer.content.decode())


def test_the_page_shows_what_was_measured(reporter: Person) -> None:
    for name in ("payments", "search"):
        make_service(name, group_name="Shop")
    for seconds, verdict in ((0, "ok"), (60, "bad"), (65, "bad")):
        results = [make_result(seconds, verdict, service_id=name) for name in ("payments", "search")]
        recording.record(results, at(seconds + 1))
    run(66)

    page = reporter.client.get(f"{LIST}{Incident.objects.get().pk}/change/").content.decode()

    assert "2025-03-10 00:00:00 UTC – 2025-03-10 00:01:00 UTC" in page
    assert "connection refused by 10.0.0.5:443" in page
    assert "2 services of Shop have not been available since" in page
    assert "A draft by the monitor; customers do not see it" in page
    assert page.count('class="dash-line-p50"') == 2
    assert '<a class="admin-link" href="/admin/services/search/">Search</a>' in page


def test_a_service_that_joins_later_is_named_by_the_first_one(reporter: Person) -> None:
    for name in ("payments", "search"):
        make_service(name, group_name="Shop")
    for name, seconds in (("payments", 60), ("search", 90)):
        fail(name, seconds=seconds)
        run(seconds + 5)

    page = reporter.client.get(f"{LIST}{Incident.objects.get().pk}/change/").content.decode()

    assert '<a class="admin-link" href="/admin/services/search/">Search</a>' in page


def test_a_draft_is_published_with_one_click_and_only_once(reporter: Person, admin: Person) -> None:
    incident = draft()

    decide(reporter, incident, "publish")
    assert (incident.published_by, incident.acknowledged_by) == (reporter.user, reporter.user)
    assert [update.created_by for update in incident.updates.public()] == [reporter.user]
    assert SystemStatus.objects.get().active_incidents == 1

    assert f"{reporter.user} has already published this incident." in decide(admin, incident, "publish")
    assert f"{reporter.user} has already published this incident." in decide(admin, incident, "dismiss")
    assert incident.published_by == reporter.user


def test_a_draft_is_published_with_changes(reporter: Person, admin: Person) -> None:
    incident = draft()
    values: dict[str, Any] = {
        **incident_form(proposal(incident).message, title="Cards are refused", major_services=["payments"]),
        "started_at_0": "2025-03-10",
        "started_at_1": "00:01:00",
        "_publish": "1",
    }

    answer = reporter.client.post(f"{LIST}{incident.pk}/change/", values)

    assert answer.status_code == 302, answer.context["errors"]
    incident.refresh_from_db()
    assert (incident.title, incident.title_translations) == ("Cards are refused", {})
    assert incident.published_by == reporter.user
    update = incident.updates.public().get()
    assert update.message.startswith("Payments has not been available since")
    assert AffectedService.objects.get().is_followed

    second = admin.client.post(f"{LIST}{incident.pk}/change/", values)
    assert second.status_code == 200
    assert f"{reporter.user} has already published this incident." in second.content.decode()


def test_a_saved_draft_keeps_the_words_of_the_person(reporter: Person) -> None:
    incident = draft()
    values = incident_form("Cards are refused. We are on it.", title="Cards are refused", major_services=["payments"])
    values |= {"started_at_0": "2025-03-10", "started_at_1": "00:01:00"}
    answer = reporter.client.post(f"{LIST}{incident.pk}/change/", values)
    assert answer.status_code == 302, answer.context["errors"]

    recover("payments", seconds=600)
    run(605)

    said = proposal(incident)
    assert (said.message, said.message_translations) == ("Cards are refused. We are on it.", {})
    assert not IncidentUpdate.objects.public().exists()
    decide(reporter, incident, "publish")
    run(700)
    assert proposal(incident).status == "resolved"
    decide(reporter, incident, "post")
    assert (incident.status, incident.resolved_at) == ("resolved", at(600))


def test_a_reopening_is_one_click(reporter: Person) -> None:
    incident = draft()
    decide(reporter, incident, "publish")
    recover("payments", seconds=120)
    run(125)
    decide(reporter, incident, "post")
    assert incident.status == "resolved"
    fail("payments", seconds=300)
    run(305)

    assert "Reopen with this update" in reporter.client.get(f"{LIST}{incident.pk}/change/").content.decode()
    decide(reporter, incident, "post")

    assert (incident.status, incident.resolved_at) == ("investigating", None)
    assert "The monitor no longer proposes this update." in decide(reporter, incident, "post")


def test_acknowledging_says_who_takes_care(reporter: Person, admin: Person) -> None:
    incident = draft()
    decide(reporter, incident, "acknowledge")
    assert incident.acknowledged_by == reporter.user

    assert f"{reporter.user} has already acknowledged" in decide(admin, incident, "acknowledge")
    assert incident.acknowledged_by == reporter.user


def test_a_dismissed_draft_leaves_the_list(reporter: Person) -> None:
    incident = draft()
    assert "Draft</span>" in reporter.client.get(LIST).content.decode()

    decide(reporter, incident, "dismiss")

    assert incident.title not in reporter.client.get(LIST).content.decode()
    assert "Dismissed</span>" in reporter.client.get(f"{LIST}?stage=dismissed").content.decode()
    assert proposal(incident) is None


def test_the_filter_finds_drafts(viewer: Person) -> None:
    draft()
    make_incident(title="Search is slow", started_at=START)

    page = viewer.client.get(f"{LIST}?stage=drafts").content.decode()
    assert "Payments is not available" in page
    assert "Search is slow" not in page


@pytest.mark.parametrize("decision", ["publish", "dismiss", "acknowledge", "post", "", "nonsense"])
def test_a_viewer_decides_nothing(viewer: Person, decision: str) -> None:
    incident = draft()

    answer = viewer.client.post(f"{LIST}{incident.pk}/decide/", {"decision": decision})

    assert answer.status_code == 403
    incident.refresh_from_db()
    assert (incident.published_at, incident.dismissed_at, incident.acknowledged_at) == (None, None, None)


def test_an_incident_that_does_not_exist_is_not_found(reporter: Person) -> None:
    assert reporter.client.post(f"{LIST}123456/decide/", {"decision": "publish"}).status_code == 404
    assert reporter.client.get(f"{LIST}1/decide/").status_code == 405


def test_evidence_is_in_the_language_of_the_reader(reporter: Person) -> None:
    incident = draft()
    change("o", "payments", seconds=120)

    page = reporter.client.get(f"{LIST}{incident.pk}/change/", headers={"accept-language": "ko"}).content.decode()

    assert "10.0.0.1:80이(가) 연결을 거부" in page


def test_page_has_the_styles_of_its_chart(reporter: Person) -> None:
    page = reporter.client.get(f"{LIST}{draft().pk}/change/").content.decode()

    assert "slamonitor/dashboard" in page


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_publish_at_once_one_is_told_so() -> None:
    people = [make_person("reporter", username=name) for name in ("anna", "ben")]
    incident = draft()
    barrier, pages = threading.Barrier(2), []

    def click(person: Person) -> None:
        barrier.wait(30)
        answer = person.client.post(f"{LIST}{incident.pk}/decide/", {"decision": "publish"}, follow=True)
        pages.append(answer.content.decode())
        connection.close()

    threads = [threading.Thread(target=click, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    incident.refresh_from_db()
    assert [f"{incident.published_by} has already published this incident." in page for page in pages].count(True) == 1
    assert incident.updates.count() == 1
    assert incident.published_at <= timezone.now()
