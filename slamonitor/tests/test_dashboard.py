"""The dashboard as people read it."""

import html
import io
import re
import shlex
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.tests.cast import Person
from incidents.models import AffectedService, Finding, FollowUp, Incident, PostMortem
from incidents.tests.factories import make_incident
from monitoring.admin_site.dashboard import ServiceProblem
from monitoring.api.tests.api_client import Program
from monitoring.models import Hour, MaintenanceWindow, Restatement, Service, ServiceHour, ServiceState
from monitoring.rules.histogram import bucket_of
from monitoring.rules.state import Status
from monitoring.tests.factories import make_service
from slamonitor import attention, dashboard
from slamonitor.web.limits import MOST_URL_BYTES
from statuspage.tests.cast import make_unmeasured


@pytest.fixture(autouse=True)
def forget() -> None:
    cache.clear()


def make_down(name: str) -> Service:
    now = timezone.now()
    service = make_unmeasured(name)
    Service.objects.filter(id=service.id).update(created_at=now - timedelta(days=1))
    ServiceState.objects.create(
        service=service,
        status="mo",
        is_down=True,
        verdict="bad",
        run_first_at=now - timedelta(minutes=5),
        run_last_at=now - timedelta(seconds=5),
        run_count=5,
        run_hold_s=150,
        stale_at=now + timedelta(minutes=2),
        last_error="connection refused by 10.0.0.5:443",
    )
    return service


def make_hour(service: Service) -> None:
    at = timezone.now().replace(minute=0, second=0, microsecond=0)
    times = {"histogram_buckets": [bucket_of(184)], "histogram_counts": [10]}
    Hour.objects.create(hour_at=at, ok_count=9, slow_count=1, bad_count=2, **times, computed_at=at, took_ms=1)
    ServiceHour.objects.create(
        hour_at=at, service_id=service.id, ok_count=9, slow_count=1, bad_count=2, response_ms_sum=1_840
    )


def words(person: Person, query: str = "") -> str:
    body = person.client.get(f"/admin/{query}").content.decode()
    main = body[body.index('class="dash"') : body.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def test_an_outage_comes_with_its_error_and_its_missing_incident(viewer: Person) -> None:
    make_down("Payments")

    text = words(viewer)

    assert "Payments is down. Without an incident: 1." in text
    assert "Down connection refused by 10.0.0.5:443 Payments 5 min ago No incident describes this outage yet." in text
    assert "Report" not in text, "viewers file no incidents"


def test_outages_are_grouped_by_cause_and_counted(viewer: Person) -> None:
    for number in range(7):
        service = make_down(f"Service {number}")
        ServiceState.objects.filter(service=service).update(last_error=f"connection refused by 10.0.0.{number}:443")
    other = make_down("Other")
    ServiceState.objects.filter(service=other).update(last_error="answered 503 Service Unavailable")

    text = words(viewer)

    assert "8 services are down. Without an incident: 8." in text
    assert "Down 7 services connection refused by …" in text
    assert "2 more Service" in text
    assert "Down answered 503 Service Unavailable Other" in text


def test_an_outage_is_reported_by_a_form_that_is_filled_in(reporter: Person) -> None:
    first, second = make_down("Payments"), make_down("Search")
    began = ServiceState.objects.get(service=first).run_first_at
    assert began is not None

    found = re.search(r'href="(/admin/incidents/incident/add/[^"]+)"', reporter.client.get("/admin/").content.decode())
    assert found is not None
    form = reporter.client.get(html.unescape(found[1])).context["adminform"].form

    assert form["title"].value() == "2 services are down"
    assert sorted(form["major_services"].value()) == [first.id, second.id]
    assert form["started_at"].value() == began.replace(microsecond=0)


def test_a_report_of_very_many_services_has_a_link_that_servers_accept(reporter: Person) -> None:
    problems = [
        ServiceProblem(
            id=f"{number:03d}-{'x' * 60}",
            name=f"Service {number}",
            status=Status.DOWN,
            is_measured=True,
            since=None,
            error="answered 503 Service Unavailable",
            is_critical=False,
        )
        for number in range(200)
    ]

    [outage] = attention.outages(problems, {}, timezone.now())

    assert len(outage.report_url) < MOST_URL_BYTES
    assert 0 < outage.left_out < outage.unreported == 200
    assert outage.report_url.count("%2C") + 1 == outage.unreported - outage.left_out


@pytest.mark.parametrize("text", ["nonsense", "2025-02-30T00:00:00Z", "2025-03-09"])
def test_a_link_with_a_wrong_time_opens_the_form_all_the_same(reporter: Person, text: str) -> None:
    assert reporter.client.get(f"/admin/incidents/incident/add/?started_at={text}").status_code == 200


def test_an_outage_with_an_incident_is_marked_as_reported(reporter: Person) -> None:
    service = make_down("Payments")
    incident = make_incident(title="Payments fail", started_at=timezone.now(), priority="P1")
    AffectedService.objects.create(incident=incident, service=service)

    text = words(reporter)

    assert "Payments is down. It is in an incident." in text
    assert "Payments 5 min ago Incident" in text
    assert "P1 Payments fail Investigating" in text
    assert "No incident describes" not in text and "Report" not in text


def test_open_incidents_have_their_clocks(viewer: Person) -> None:
    now = timezone.now()
    for title, minutes, told in (("Just begun", 3, None), ("Late", 18, None), ("Told", 30, 5), ("Told late", 30, 20)):
        began = now - timedelta(minutes=minutes, seconds=-1)
        first = began + timedelta(minutes=told) if told else None
        make_incident(title=title, started_at=began, priority="P1", first_update_at=first)

    text = words(viewer)

    assert re.search(r"Just begun Investigating · began 2 min ago · not acknowledged First update due in 12 min", text)
    assert re.search(r"Late Investigating · .*? First update overdue by 2 min", text)
    assert re.search(r"Told late Investigating · .*? First update 5 min too late", text)
    assert "in time" not in text, "what was told in time needs no word"


def test_drafts_are_published_and_dismissed_on_the_overview(reporter: Person, viewer: Person) -> None:
    for title in ("Payments fail", "Search fails"):
        draft = make_incident(title=title, started_at=timezone.now(), priority="P1", is_draft=True)
        AffectedService.objects.create(incident=draft, service=make_service(title.split()[0].lower()))
    assert "Publish" not in words(viewer), "viewers decide nothing"
    assert "P1 Payments fail 1 service · began 0 s ago First update due in 14 min" in words(reporter)

    for decision, each in zip(("publish", "dismiss"), Incident.objects.order_by("title"), strict=True):
        answer = reporter.client.post(f"/admin/incidents/incident/{each.pk}/decide/", {"decision": decision})
        assert answer.status_code == 302

    assert "Drafts to publish" not in words(reporter)
    assert [each.title for each in Incident.objects.unresolved()] == ["Payments fail"]


def test_findings_and_overdue_actions_lead_to_their_pages(viewer: Person, reporter: Person) -> None:
    now, service = timezone.now(), make_unmeasured("Payments")
    Finding.objects.create(kind="unreported", service=service, measured_at=now, found_at=now)
    incident = make_incident(started_at=now - timedelta(hours=1), status="resolved", resolved_at=now)
    post_mortem = PostMortem.objects.create(incident=incident)
    for text, days in (("Replace the disks", -1), ("Later", 1)):
        due_on = timezone.localdate() + timedelta(days=days)
        FollowUp.objects.create(post_mortem=post_mortem, text=text, due_on=due_on, owner=reporter.user)

    body, text = viewer.client.get("/admin/").content.decode(), words(viewer)

    assert "1 difference between incidents and measurements" in text and 'href="/admin/reconciliation/"' in body
    assert "Overdue Replace the disks" in text and "Later" not in text
    assert f'href="/admin/incidents/incident/{incident.pk}/post-mortem/"' in body


def test_services_lead_to_their_pages(viewer: Person) -> None:
    service = make_down("Payments")
    make_hour(service)

    body = viewer.client.get("/admin/").content.decode()

    assert body.count(f'href="/admin/services/{service.id}/"') == 3, "the outage, the slowest, the lowest uptime"


def test_decisions_that_wait_and_the_maintenance_of_today_are_listed(viewer: Person) -> None:
    service, now = make_unmeasured("Payments"), timezone.now()
    hour_ago = now - timedelta(hours=1)
    Restatement.objects.create(
        service=service, since=hour_ago, until=now, restated_as="down", reason="Wrong", proposed_at=now
    )
    MaintenanceWindow.objects.create(service=service, since=hour_ago, until=now + timedelta(hours=1), reason="New disk")
    MaintenanceWindow.objects.create(since=now + timedelta(days=2), until=now + timedelta(days=3), reason="Next week")

    text = words(viewer)

    assert "Restatements that wait for a decision: 1" in text
    assert "Maintenance Payments now –" in text and "New disk" in text
    assert "Next week" not in text


def test_an_installation_without_services_of_its_own_says_how_to_add_one(admin: Person, viewer: Person) -> None:
    make_service("sla-monitor")

    text = words(admin)
    assert "Add your first service" in text
    assert "Add your first service" not in words(viewer) and "sync_services" not in words(viewer)
    assert "An admin can add services." in words(viewer)

    make_unmeasured("Payments")
    assert "Add your first service" not in words(admin)


def lines_to_copy(admin: Person) -> list[str]:
    body = admin.client.get("/admin/").content.decode()
    return [html.unescape(line) for line in re.findall(r'<pre[^>]*tabindex="0"[^>]*>(.*?)</pre>', body, re.S)]


def test_the_line_for_a_file_adds_a_service(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = [line for line in lines_to_copy(admin) if "sync_services -" in line]
    echo, _pipe, command = line.partition(" | ")
    yaml = subprocess.run(["sh", "-c", echo], check=True, capture_output=True).stdout
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(yaml)))

    call_command(*command.split()[2:])

    assert command.split()[1] == "manage.py"
    assert Service.objects.get().endpoint_url == "https://example.com/"


def test_an_installed_package_says_its_own_command(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAMONITOR_PROGRAM", "slamonitor")
    monkeypatch.setattr(dashboard, "IS_INSTALLED", True)

    [line] = [line for line in lines_to_copy(admin) if "sync_services" in line]

    assert line.endswith(" | slamonitor sync_services -")
    assert "in the folder of the monitor" not in words(admin)


def test_the_line_for_the_api_adds_a_service(admin: Person) -> None:
    [line] = [line for line in lines_to_copy(admin) if line.startswith("curl")]
    words = shlex.split(line)
    assert "http://testserver/api/v1/services" in words and "Authorization: Bearer TOKEN" in words

    answer = Program.of(admin).call("POST", "services", words[words.index("-d") + 1])

    assert answer.status_code == 201
    assert Service.objects.get().endpoint_url == "https://example.com/"


def test_an_open_page_refreshes_what_must_be_done(viewer: Person) -> None:
    assert "Nothing is monitored yet." in viewer.client.get("/admin/now/").content.decode()
    make_down("Payments")

    answer = viewer.client.get("/admin/now/")

    assert "Payments is down." in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert "<html" not in answer.content.decode()


def test_a_page_that_is_only_open_does_not_prolong_the_session(viewer: Person) -> None:
    viewer.client.get("/admin/now/")
    assert "renewed_at" not in viewer.client.session

    viewer.client.get("/admin/")
    assert "renewed_at" in viewer.client.session


def test_charts_have_shapes_words_and_tables(viewer: Person) -> None:
    make_hour(make_down("Payments"))

    body = viewer.client.get("/admin/").content.decode()
    text = words(viewer)

    assert body.count('role="img"') == 2 and body.count("<desc") == 2
    assert 'class="dash-bar-3"' in body
    assert "Payments 184 ms" in text and "Payments 5 min down 0.00 %" in text
    assert "style=" not in body[body.index('class="dash"') :]


def test_the_week_has_168_hours(viewer: Person) -> None:
    make_hour(make_down("Payments"))

    assert viewer.client.get("/admin/?period=7d").content.decode().count('<th scope="row">') == 2 * 168
    assert viewer.client.get("/admin/?period=nonsense").content.decode().count('<th scope="row">') == 2 * 24


def test_nothing_monitored_and_nothing_measured_say_so(viewer: Person) -> None:
    assert "Nothing is monitored yet." in words(viewer)
    assert "No checks in this period." in words(viewer)
    assert "No response times in this period." in words(viewer)


def test_the_number_of_queries_does_not_depend_on_services_and_incidents(
    viewer: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(500):
        make_down(f"Service {number}")
    began = timezone.now() - timedelta(hours=1)
    for number in range(50):
        incident = make_incident(started_at=began, is_draft=number % 2 == 0)
        AffectedService.objects.create(incident=incident, service_id=Service.objects.order_by("pk")[number].pk)
        Finding.objects.create(kind="unmeasured", incident=incident, told_at=began, found_at=began)
        post_mortem = PostMortem.objects.create(incident=incident)
        FollowUp.objects.create(post_mortem=post_mortem, text="Replace the disks", due_on="2025-03-09")

    with django_assert_max_num_queries(29):
        viewer.client.get("/admin/")
    with django_assert_max_num_queries(19):
        viewer.client.get("/admin/now/")
