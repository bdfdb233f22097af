"""Lists of the admin: narrowed by tags, sorted by uptime, paged, and empty."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.tests.cast import Person
from monitoring.admin_site.service_admin import ServiceAdmin
from monitoring.models import UptimeRecord
from monitoring.rules.calendar_days import day_of
from monitoring.tests.factories import make_service

LIST = "/admin/monitoring/service/"
UPTIME_COLUMN = 1 + ServiceAdmin.list_display.index("uptime")  # after the boxes that select rows


def shown(person: Person, query: str) -> list[str]:
    return [service.pk for service in person.client.get(LIST + query).context["cl"].result_list]


def test_services_are_found_by_a_tag(admin: Person) -> None:
    make_service("payments", tags=["eu", "core"])
    make_service("search", tags=["core"])

    assert shown(admin, "?tag=eu") == ["payments"]
    assert shown(admin, "?tag=core") == ["payments", "search"]


@pytest.mark.parametrize(("order", "ids"), [("", ["poor", "fair", "new"]), ("-", ["fair", "poor", "new"])])
def test_services_are_sorted_by_uptime_and_those_without_come_last(admin: Person, order: str, ids: Any) -> None:
    yesterday = day_of(timezone.now(), settings.PAGE_TIME_ZONE) - timedelta(days=1)
    for name, down_s in (("new", None), ("fair", 60), ("poor", 6000)):
        service = make_service(name)
        if down_s is not None:
            seconds = {"down_s": down_s, "operational_s": 86_400 - down_s}
            UptimeRecord.objects.create(service=service, date=yesterday, status="o", **seconds)

    assert shown(admin, f"?o={order}{UPTIME_COLUMN}") == ids


def test_what_is_left_out_between_pages_is_no_link(admin: Person) -> None:
    for number in range(700):
        make_service(f"s-{number:03d}")

    page = admin.client.get(LIST).content.decode()

    assert "…</span>" in page
    assert "p=%E2%80%A6" not in page


def test_an_empty_list_says_what_its_reader_can_do(admin: Person, viewer: Person) -> None:
    of_admin, of_viewer = (each.client.get(LIST).content.decode() for each in (admin, viewer))

    assert "There are no entries yet" in of_admin and "There are no entries yet" in of_viewer
    assert "Add service" in of_admin
    assert "Add service" not in of_viewer
    assert "Show all entries" in viewer.client.get(f"{LIST}?q=nothing").content.decode()
