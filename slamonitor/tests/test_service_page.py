"""The page of a service as each role reads it."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.cast import Person
from database import partitions
from incidents.models import AffectedService
from incidents.tests.factories import make_incident
from monitoring.api.tests.api_client import Program
from monitoring.engine import heartbeats
from monitoring.models import Heartbeat, Service, Span, Transition, UptimeRecord, WatchServerLog
from monitoring.tests.factories import make_service
from slamonitor.tests.test_dashboard import make_down, make_hour

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget() -> None:
    cache.clear()
    partitions.ensure("watch_server_logs", {timezone.now().date(), (timezone.now() - timedelta(days=1)).date()})


def address(service: Service) -> str:
    return f"/admin/services/{service.id}/"


def words(person: Person, service: Service, query: str = "") -> str:
    answer = person.client.get(f"{address(service)}{query}")
    assert answer.status_code == 200
    body = answer.content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", body[body.index('class="dash') :]).split())


def make_check(service: Service, ago: timedelta, verdict: str = "ok", **columns: object) -> None:
    at = (timezone.now() - ago).replace(microsecond=0)
    values = {"response_time": 12, "lateness_ms": 1, "interval_ms": 60_000, "region": "default", **columns}
    WatchServerLog(service_id=service.id, checked_at=at, verdict=verdict, **values).save(force_insert=True)


def test_everybody_reads_the_state_since_when_and_why(viewer: Person) -> None:
    service = make_down("Payments")
    at = timezone.now() - timedelta(hours=2, minutes=4, seconds=1)
    failed = {"error_message": "connection refused by 10.0.0.5:443"}
    change = {"from_status": "o", "to_status": "mo", "cause": "failed", "edge_end_at": at, "created_at": at}
    Transition.objects.create(service=service, **change, evidence=failed)
    make_check(service, timedelta(seconds=70), "bad", error_type="timeout", error_message="no answer within 5 s")

    text = words(viewer, service)

    assert "Down for 2 h 04 min" in text
    assert "connection refused by 10.0.0.5:443" in text
    assert "no answer within 5 s" in text, "of the last check"
    assert "Status changes Down for 2 h 04 min" in text


def test_settings_and_actions_are_for_those_who_may_change_them(viewer: Person, admin: Person) -> None:
    service = make_service("payments")

    assert "http://payments.example/health" not in words(viewer, service)
    assert "http://payments.example/health" in words(admin, service)
    for button in ("Check now", "Edit", "Pause…"):
        assert button not in words(viewer, service)
        assert button in words(admin, service)


def test_uptimes_lead_to_the_ledger_of_the_same_days(viewer: Person) -> None:
    service = make_service("payments")
    today = timezone.now().date()
    UptimeRecord.objects.create(service=service, date=today, status="mo", operational_s=900, down_s=100)

    body = viewer.client.get(address(service)).content.decode()

    assert "90.00 %" in words(viewer, service)
    assert f'href="/services/payments/ledger?from={today - timedelta(days=6)}&amp;to={today}"' in body
    assert f'href="/services/payments/ledger?from={today - timedelta(days=89)}&amp;to={today}"' in body


@pytest.mark.parametrize(
    ("query", "rows", "column"), [("", 24, "Hour"), ("?period=7d", 168, "Hour"), ("?period=90d", 90, "Day")]
)
def test_charts_have_a_table_of_the_period(viewer: Person, query: str, rows: int, column: str) -> None:
    service = make_down("Payments")
    make_hour(service)
    UptimeRecord.objects.create(service=service, date=timezone.now().date(), status="mo", operational_s=900, down_s=600)

    body = viewer.client.get(f"{address(service)}{query}").content.decode()

    assert body.count('<th scope="row">') in (rows, 2 * rows), "response times are not known in each period"
    assert f'<th scope="col">{column}</th>' in body


def test_pauses_say_who_and_why(viewer: Person, admin: Person) -> None:
    service = make_service("payments", is_active=False)
    since = timezone.now() - timedelta(hours=3, seconds=1)
    Span.objects.create(kind="paused", service=service, since=since, reason="Moves to Busan", author=admin.user)

    text = words(viewer, service)

    assert "Paused for 3 h 00 min" in text
    assert "Moves to Busan · admin" in text


def test_incidents_and_changes_of_the_settings_are_listed(viewer: Person, admin: Person) -> None:
    service = make_service("payments")
    incident = make_incident(title="Payments fail", started_at=timezone.now() - timedelta(minutes=5))
    AffectedService.objects.create(incident=incident, service=service, impact="major")
    fields = [{"changed": {"fields": ["Timeout"]}}]
    LogEntry.objects.log_actions(admin.user.pk, [service], CHANGE, fields, single_object=True)

    text = words(viewer, service)

    assert "Investigating Payments fail Major outage · began 5 min ago" in text
    assert "Changed Timeout. admin ·" in text


def test_a_change_through_the_api_is_listed_with_its_author(admin: Person, viewer: Person) -> None:
    service = make_service("payments")

    assert Program.of(admin).call("PATCH", "services/payments", {"timeout": 900}).status_code == 200

    assert "Changed through the API. admin ·" in words(viewer, service)
    viewer.client.cookies["django_language"] = "ko"
    assert "API로 변경했습니다. admin ·" in words(viewer, service)


def test_a_ping_url_is_shown_once_with_a_line_to_paste(admin: Person, viewer: Person) -> None:
    service = make_service("backup", kind="heartbeat", endpoint_url=None)
    assert "The job can't report yet" in words(viewer, service)

    answer = admin.client.post(f"{address(service)}ping-url/")
    found = re.search(r"curl -fsS -m 10 --retry 3 http://testserver(/heartbeat/[\w-]+)\n?<", answer.content.decode())

    assert found is not None
    assert "no-store" in answer.headers["Cache-Control"]
    assert viewer.client.get(found[1]).status_code == 200
    assert Heartbeat.objects.get().last_ping_at is not None
    assert "Changed Ping URL. admin ·" in words(viewer, service)
    assert found[1] not in admin.client.get(address(service)).content.decode()


def test_a_new_ping_url_ends_the_old_one(admin: Person) -> None:
    service = make_service("backup", kind="heartbeat", endpoint_url=None)
    token = heartbeats.open_door(service)

    assert admin.client.post(f"{address(service)}ping-url/").status_code == 200

    assert admin.client.get(f"/heartbeat/{token}").status_code == 404


@pytest.mark.parametrize("role", ["viewer", "reporter"])
def test_only_admins_make_ping_urls(cast: dict[str, Person], role: str) -> None:
    service = make_service("backup", kind="heartbeat", endpoint_url=None)

    assert cast[role].client.post(f"{address(service)}ping-url/").status_code == 403
    assert not Heartbeat.objects.exists()


def test_a_service_that_is_probed_has_no_ping_url(admin: Person) -> None:
    service = make_service("payments")

    assert "Ping URL" not in words(admin, service)
    assert admin.client.post(f"{address(service)}ping-url/").status_code == 404


def test_an_archived_service_keeps_its_page(admin: Person) -> None:
    service = make_service("payments", archived_at=timezone.now() - timedelta(days=2), is_active=False)

    text = words(admin, service)

    assert "Archived for 2 d 0 h" in text and "Restore…" in text
    assert "Check now" not in text and "Edit" not in text


def test_a_service_that_is_not_there_is_not_found(viewer: Person) -> None:
    assert viewer.client.get("/admin/services/nothing/").status_code == 404


def test_viewers_list_services_and_cannot_search_their_addresses(viewer: Person, admin: Person) -> None:
    make_service("payments")
    link = 'href="/admin/services/payments/'

    assert link in viewer.client.get("/admin/monitoring/service/").content.decode()
    assert link not in viewer.client.get("/admin/monitoring/service/?q=payments.example").content.decode()
    assert link in admin.client.get("/admin/monitoring/service/?q=payments.example").content.decode()
    assert viewer.client.get("/admin/monitoring/service/payments/change/").status_code == 403


def queries_of(person: Person, service: Service) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert person.client.get(address(service)).status_code == 200
    return len(captured)


def test_the_number_of_queries_does_not_depend_on_what_is_stored(admin: Person) -> None:
    service, now = make_down("Payments"), timezone.now()
    few = queries_of(admin, service)
    for number in range(500):
        make_service(f"other-{number:03d}")
    for number in range(20):
        at = now - timedelta(hours=number + 1)
        states = {"from_status": "o", "to_status": "mo"} if number % 2 else {"from_status": "mo", "to_status": "o"}
        Transition.objects.create(service=service, **states, cause="failed", edge_end_at=at, created_at=at)
        Span.objects.create(kind="maintenance", service=service, since=at, until=now, author=admin.user)
        make_check(service, timedelta(minutes=number + 1))
        AffectedService.objects.create(
            service=service, incident=make_incident(title=f"Incident {number}", started_at=at)
        )
        LogEntry.objects.log_actions(admin.user.pk, [service], CHANGE, "[]", single_object=True)

    assert queries_of(admin, service) <= few <= 25
