"""The dashboard as people read it."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.tests.cast import Person
from incidents.models import AffectedService, Incident
from monitoring.models import Hour, Service, ServiceHour, ServiceState
from monitoring.rules.histogram import bucket_of
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
    main = body[body.index('class="dash"') :]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def test_what_burns_comes_with_its_error_and_its_missing_incident(viewer: Person) -> None:
    make_down("Payments")

    text = words(viewer)

    assert "Down Payments 5 min ago connection refused by 10.0.0.5:443 No incident describes this outage yet." in text


def test_an_outage_with_an_incident_is_marked_as_reported(viewer: Person) -> None:
    service = make_down("Payments")
    incident = Incident.objects.create(title="Payments fail", started_at=timezone.now(), priority="P1")
    AffectedService.objects.create(incident=incident, service=service)

    text = words(viewer)

    assert "P1 Payments fail Investigating" in text
    assert "No incident describes" not in text


def test_what_burns_leads_to_where_one_may_look(viewer: Person, admin: Person) -> None:
    service = make_down("Payments")

    assert f'href="/admin/checks/?service={service.id}"' in viewer.client.get("/admin/").content.decode()
    assert f'href="/admin/monitoring/service/{service.id}/change/"' in admin.client.get("/admin/").content.decode()


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


def test_the_number_of_queries_does_not_depend_on_services(
    viewer: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        make_down(f"Service {number}")

    with django_assert_max_num_queries(23):
        viewer.client.get("/admin/")
