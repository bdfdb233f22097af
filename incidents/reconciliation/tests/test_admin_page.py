"""The page of reconciliation: findings in words, and remedies that are done once."""

import html
import re
import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.cast import Person, make_person
from incidents.models import AffectedService, Finding, Incident
from incidents.reconciliation.reconcile import reconcile
from incidents.tests.factories import make_incident
from monitoring.models import Restatement, Service
from monitoring.tests.factories import make_service

START = datetime(2025, 3, 9, 11, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAGE = "/admin/reconciliation/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def payments() -> Service:
    return make_service("payments", display_name="Payments")


@pytest.fixture
def unreported(payments: Service) -> Finding:
    """Payments were down from 11:00 to 11:23."""
    until = START + 23 * MINUTE
    return Finding.objects.create(
        kind="unreported", service=payments, measured_at=START, measured_until=until, found_at=START
    )


def differing(service: Service, kind: str, **times: datetime | None) -> Finding:
    """Return the finding of an incident that was told from 11:10 to 11:50."""
    told, until = START + 10 * MINUTE, START + 50 * MINUTE
    incident = make_incident(started_at=told, resolved_at=until, status="resolved", duration_minutes=40)
    AffectedService.objects.create(incident=incident, service=service, impact="major")
    told_at = until if kind == "end" else told
    return Finding.objects.create(
        **{"kind": kind, "incident": incident, "told_at": told_at, "found_at": START, **times}
    )


def text_of(person: Person, page: str = PAGE) -> str:
    body = person.client.get(page).content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body[body.index("<main") : body.index("</main>")])).split())


def act(person: Person, finding: Finding, **values: object) -> str:
    """Do what a button says, and return the page that follows."""
    answer = person.client.post(f"{PAGE}{finding.pk}/act/", values, follow=True)
    body = answer.content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_findings_are_described_in_words(viewer: Person, unreported: Finding, payments: Service) -> None:
    differing(payments, "start", measured_at=START)
    differing(payments, "end", measured_at=START + 23 * MINUTE)
    differing(payments, "unmeasured")

    text = text_of(viewer)

    assert "23 min of downtime that no incident describes Measured 2025-03-09 11:00 UTC – 11:23 UTC Incident –" in text
    assert "Starts 10 min too late Measured 2025-03-09 11:00 UTC Incident 2025-03-09 11:10 UTC" in text
    assert "Ends 27 min too late" in text
    assert "No downtime was measured for the services of this incident" in text


def test_viewers_read_and_change_nothing(viewer: Person, unreported: Finding) -> None:
    assert "Reconcile now" not in text_of(viewer) and "File a draft" not in text_of(viewer)

    for address in (f"{PAGE}{unreported.pk}/act/", f"{PAGE}now/"):
        assert viewer.client.post(address, {"act": "file"}).status_code == 403
    assert not Incident.objects.exists()


def test_nothing_changes_by_opening_an_address(reporter: Person, unreported: Finding) -> None:
    for address in (f"{PAGE}{unreported.pk}/act/?act=file", f"{PAGE}now/"):
        assert reporter.client.get(address).status_code == 405


def test_before_the_first_comparison_the_page_does_not_say_that_all_agrees(viewer: Person) -> None:
    text = text_of(viewer)

    assert "Not compared yet" in text
    assert "agree" not in text


def test_without_findings_the_page_says_that_all_agrees(viewer: Person) -> None:
    reconcile(START, ZoneInfo("UTC"))

    assert "Incidents and measurements agree" in text_of(viewer)


def test_a_draft_is_filed_with_the_measured_times(reporter: Person, unreported: Finding) -> None:
    text = act(reporter, unreported, act="file")

    incident = Incident.objects.drafts().get()
    assert (incident.started_at, incident.resolved_at) == (START, START + 23 * MINUTE)
    assert (incident.status, incident.duration_minutes) == ("resolved", 23)
    assert list(incident.affected_services.values_list("pk", flat=True)) == ["payments"]
    assert "The draft is filed." in text and "Payments was not available from 9 March 2025" in text
    assert not Finding.objects.exists()


def test_a_filed_draft_is_published_with_its_update_and_keeps_its_times(reporter: Person, unreported: Finding) -> None:
    act(reporter, unreported, act="file")
    incident = Incident.objects.get()

    reporter.client.post(f"/admin/incidents/incident/{incident.pk}/decide/", {"decision": "publish"})

    incident.refresh_from_db()
    assert incident.published_at is not None
    assert (incident.started_at, incident.resolved_at) == (START, START + 23 * MINUTE)
    assert incident.updates.public().count() == 1


def test_a_draft_of_an_outage_that_goes_on_is_open(reporter: Person, unreported: Finding) -> None:
    Finding.objects.update(measured_until=None)

    act(reporter, unreported, act="file")

    incident = Incident.objects.get()
    assert (incident.status, incident.resolved_at) == ("investigating", None)
    assert "has not been available since" in incident.updates.get().message


def test_the_second_of_two_people_files_no_second_draft(reporter: Person, admin: Person, unreported: Finding) -> None:
    act(reporter, unreported, act="file")

    assert "Somebody has already settled this finding." in act(admin, unreported, act="file")
    assert Incident.objects.count() == 1


def test_the_service_is_added_to_an_incident_of_that_time(reporter: Person, unreported: Finding) -> None:
    near = make_incident(title="All is slow", started_at=START - 5 * MINUTE)
    make_incident(title="Long ago", started_at=START - 90 * MINUTE, status="resolved", resolved_at=START - 60 * MINUTE)
    body = reporter.client.get(PAGE).content.decode()
    assert re.findall(r'<option value="(\d+)">', body) == [str(near.pk)]

    act(reporter, unreported, act="link", incident=near.pk)

    assert list(near.affectedservice_set.values_list("service_id", "impact")) == [("payments", "major")]
    assert not Finding.objects.exists()


@pytest.mark.parametrize("incident", ["", "x", "999999999", "99999999999999999999"])
def test_an_incident_that_is_not_there_is_refused(reporter: Person, unreported: Finding, incident: str) -> None:
    text = act(reporter, unreported, act="link", incident=incident)

    assert "from the list." in text
    assert Finding.objects.open().exists()


def test_an_incident_of_another_time_is_refused(reporter: Person, unreported: Finding) -> None:
    far = make_incident(title="Later", started_at=START + 90 * MINUTE)

    assert "“Later” does not overlap this outage any more." in act(reporter, unreported, act="link", incident=far.pk)
    assert not far.affected_services.exists()


@pytest.mark.parametrize(
    ("kind", "measured_at", "started_at", "resolved_at", "minutes"),
    [
        ("start", START, START, START + 50 * MINUTE, 50),
        ("end", START + 23 * MINUTE, START + 10 * MINUTE, START + 23 * MINUTE, 13),
    ],
)
def test_the_measured_time_is_taken_over(
    reporter: Person,
    payments: Service,
    kind: str,
    measured_at: datetime,
    started_at: datetime,
    resolved_at: datetime,
    minutes: int,
) -> None:
    finding = differing(payments, kind, measured_at=measured_at)

    assert "has the measured time now" in act(reporter, finding, act="take_over")

    incident = Incident.objects.get()
    assert (incident.started_at, incident.resolved_at) == (started_at, resolved_at)
    assert incident.duration_minutes == minutes
    assert not Finding.objects.exists()


def test_a_time_that_was_changed_since_is_not_taken_over(reporter: Person, payments: Service) -> None:
    finding = differing(payments, "start", measured_at=START)
    Incident.objects.update(started_at=START + MINUTE)

    assert "The incident has been changed since." in act(reporter, finding, act="take_over")
    assert Incident.objects.get().started_at == START + MINUTE


def test_an_end_before_the_start_is_not_taken_over(reporter: Person, payments: Service) -> None:
    finding = differing(payments, "end", measured_at=START)

    assert "end before it starts" in act(reporter, finding, act="take_over")
    assert Incident.objects.get().resolved_at == START + 50 * MINUTE


def test_a_finding_is_explained_once(reporter: Person, admin: Person, unreported: Finding) -> None:
    assert "Enter the reason" in act(reporter, unreported, act="explain", explanation=" ")
    assert "Shorten it to 2000" in act(reporter, unreported, act="explain", explanation="x" * 2001)
    act(reporter, unreported, act="explain", explanation="A test of the alarm.")

    text = text_of(admin)
    assert "Incidents and measurements agree" in text and "A test of the alarm. reporter" in text
    assert "reporter has already explained this finding." in act(admin, unreported, act="file")


def test_the_other_outages_of_a_service_are_explained_too(reporter: Person, unreported: Finding) -> None:
    for name, minute in (("payments", 60), ("payments", 90), ("search", 60)):
        service, at = Service.objects.filter(pk=name).first() or make_service(name), START + minute * MINUTE
        Finding.objects.create(kind="unreported", service=service, measured_at=at, found_at=START)
    differing(unreported.service, "start", measured_at=START)  # type: ignore[arg-type]
    assert "also 2 other outages of this service without an incident" in text_of(reporter)

    text = act(reporter, unreported, act="explain", explanation="A test of the alarm.", with_others="on")

    assert "Explained findings: 3." in text
    assert sorted(Finding.objects.open().values_list("kind", "service")) == [("start", None), ("unreported", "search")]


def test_a_remedy_of_another_kind_is_refused(reporter: Person, payments: Service, unreported: Finding) -> None:
    assert "not for this kind" in act(reporter, differing(payments, "start", measured_at=START), act="file")
    assert "not for this kind" in act(reporter, unreported, act="take_over")
    assert "This act is unknown." in act(reporter, unreported, act="delete")
    assert Finding.objects.open().count() == 2


def links(person: Person) -> list[str]:
    body = person.client.get(PAGE).content.decode()
    return [html.unescape(link) for link in re.findall(r'href="(/admin/monitoring/restatement/add/[^"]+)"', body)]


def test_a_restatement_is_filled_in(reporter: Person, unreported: Finding) -> None:
    [link] = links(reporter)

    form = reporter.client.get(link).context["adminform"].form

    assert form["service"].value() == "payments" and form["restated_as"].value() == "operational"
    widgets = [form[name].field.widget.decompress(form[name].value()) for name in ("since", "until")]
    assert [f"{day} {clock}" for day, clock in widgets] == ["2025-03-09 11:00:00", "2025-03-09 11:23:00"]


@pytest.mark.parametrize(
    ("kind", "measured", "restated_as"),
    [("start", 0, "operational"), ("start", 30, "down"), ("end", 30, "down"), ("end", 80, "operational")],
)
def test_a_restatement_changes_what_was_measured_into_what_was_told(
    reporter: Person, payments: Service, kind: str, measured: int, restated_as: str
) -> None:
    differing(payments, kind, measured_at=START + measured * MINUTE)

    [link] = links(reporter)

    assert link.endswith(f"restated_as={restated_as}")


def test_a_restatement_that_waits_is_named(viewer: Person, unreported: Finding) -> None:
    until = START + 23 * MINUTE
    Restatement.objects.create(
        service_id="payments", since=START, until=until, restated_as="operational", reason="Ours", proposed_at=until
    )

    assert "A restatement of this service waits for a decision." in text_of(viewer)


def test_reconciling_now_removes_what_is_gone(reporter: Person, unreported: Finding) -> None:
    answer = reporter.client.post(f"{PAGE}now/", follow=True)

    assert "Reconciled. Open findings: 0." in answer.content.decode()


def test_the_number_of_queries_does_not_depend_on_findings(viewer: Person, payments: Service) -> None:
    viewer.client.get(PAGE)  # the first request renews the session
    counts = []
    for number in range(1, 21):
        at = START + number * 60 * MINUTE
        until = at + 5 * MINUTE
        Finding.objects.create(kind="unreported", service=payments, measured_at=at, measured_until=until, found_at=at)
        make_incident(started_at=at)
        differing(payments, "start", measured_at=START)
        if number in (2, 20):
            with CaptureQueriesContext(connection) as queries:
                viewer.client.get(PAGE)
            counts.append(len(queries))

    assert counts[0] == counts[1] <= 14


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_file_at_once_one_is_told_so(unreported: Finding) -> None:
    people = [make_person("reporter", username=name) for name in ("anna", "ben")]
    barrier, pages = threading.Barrier(2), []

    def click(person: Person) -> None:
        barrier.wait(30)
        pages.append(act(person, unreported, act="file"))
        connection.close()

    threads = [threading.Thread(target=click, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert ["Somebody has already settled this finding." in page for page in pages].count(True) == 1
    assert Incident.objects.count() == 1
