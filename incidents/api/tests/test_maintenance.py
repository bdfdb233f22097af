"""Maintenance over the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person
from incidents.models import MaintenanceOccurrence, MaintenancePlan
from monitoring.api.tests.api_client import Program, error_of, fields_of
from monitoring.models import MaintenanceWindow, Span
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db
MONDAY = datetime(2025, 3, 10, 12, tzinfo=UTC)
DISKS = {
    "title": "Change disks",
    "services": ["payments"],
    "start": "2025-03-11T02:00",
    "zone": "UTC",
    "duration_minutes": 60,
}


@pytest.fixture(autouse=True)
def monday() -> Any:
    make_service("payments", group_name="Money")
    with time_machine.travel(MONDAY, tick=False) as traveller:
        yield traveller


@pytest.fixture
def program(reporter: Person, settings: Settings, monday: Any) -> Program:
    settings.API_RATE_LIMIT = 0
    return Program.of(reporter)


def plan(program: Program, **values: Any) -> Any:
    answer = program.post("maintenance_plans", {**DISKS, **values})
    assert answer.status_code == 201, answer.content
    return answer.json()


def dates(program: Program, query: str = "") -> list[Any]:
    items: list[Any] = program.get(f"maintenance{query}").json()["items"]
    return items


def test_maintenance_is_planned_with_its_dates_and_accounted(program: Program, reporter: Person) -> None:
    answer = program.post(
        "maintenance_plans",
        {**DISKS, "title_translations": {"ko": "디스크 교체"}, "rrule": "FREQ=WEEKLY", "groups": ["Money"]},
    )

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["services"], made["groups"], made["created_by"]) == (["payments"], ["Money"], str(reporter.user))
    assert program.get(answer.headers["Location"].partition("/api/v1/")[2]).headers["ETag"] == answer.headers["ETag"]
    found = dates(program, f"?plan={made['id']}&service=payments")
    assert [each["since"] for each in found[:2]] == ["2025-03-11T02:00:00Z", "2025-03-18T02:00:00Z"]
    assert (found[0]["state"], found[0]["title"], len(found)) == ("planned", "Change disks", 15)
    assert program.get(f"maintenance/{found[0]['id']}").json()["services"] == ["payments"]
    assert Span.objects.in_force().filter(service="payments").count() == 15


def test_a_start_that_clocks_skip_is_moved_and_keeps_its_wall_time(program: Program) -> None:
    made = plan(
        program, start="2025-03-29T02:30", zone="Europe/Berlin", rrule="FREQ=DAILY;COUNT=3", duration_minutes=30
    )

    assert made["start"] == "2025-03-29T02:30"
    assert [each["since"] for each in dates(program)] == [
        "2025-03-29T01:30:00Z",
        "2025-03-30T01:30:00Z",  # 02:30 does not exist: 03:30
        "2025-03-31T00:30:00Z",
    ]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"duration_minutes": 0}, "duration_minutes"),
        ({"duration_minutes": -60}, "duration_minutes"),
        ({"duration_minutes": 10**30}, "duration_minutes"),
        ({"start": "2025-03-10T11:00"}, "start"),
        ({"start": "2025-02-30T11:00"}, "start"),
        ({"start": "0001-01-01T00:00", "zone": "Asia/Seoul"}, "start"),
        ({"start": "9999-12-31T23:59"}, "start"),
        ({"start": "2025-03-11T02:00:00Z"}, "start"),
        ({"services": ["nobody"]}, "services"),
        ({"services": []}, "services"),
        ({"groups": ["Nobody"]}, "groups"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"rrule": "FREQ=SECONDLY"}, "rrule"),
        ({"rrule": "FREQ=DAILY;UNTIL=20200101"}, "rrule"),
        ({"rrule": "FREQ=DAILY", "duration_minutes": 1500}, "duration_minutes"),
        ({"announce_hours": -1}, "announce_hours"),
        ({"title": " "}, "title"),
        ({"title_translations": {"xx": "y"}}, "title_translations"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_by_field_and_nothing_is_planned(
    program: Program, values: dict[str, Any], field: str
) -> None:
    assert field in fields_of(program.post("maintenance_plans", {**DISKS, **values}))

    assert not MaintenancePlan.objects.exists() and not Span.objects.exists()


@pytest.mark.parametrize("rule", ["FREQ=DAILY", "FREQ=DAILY;COUNT=10000"])
def test_a_rule_without_an_end_or_with_ten_thousand_dates_is_stored_a_hundred_days_ahead(
    program: Program, rule: str
) -> None:
    plan(program, rrule=rule)

    assert MaintenanceOccurrence.objects.count() == 100


def test_overlapping_maintenance_is_refused_by_name(program: Program) -> None:
    plan(program)
    window = MONDAY + timedelta(days=3)
    MaintenanceWindow.objects.create(service_id="payments", since=window, until=window + timedelta(hours=1))

    planned = fields_of(program.post("maintenance_plans", {**DISKS, "start": "2025-03-11T02:30"}))
    entered = fields_of(program.post("maintenance_plans", {**DISKS, "start": "2025-03-13T11:30"}))

    assert "Change disks" in planned["start"][0] and "start" in entered
    assert MaintenancePlan.objects.count() == 1


def test_a_plan_is_changed_for_its_later_dates_and_no_older_version_is_overwritten(program: Program) -> None:
    made = plan(program, rrule="FREQ=DAILY")
    path = f"maintenance_plans/{made['id']}"
    tag = program.get(path).headers["ETag"]

    changed = program.patch(path, {"start": "2025-03-11T03:00", "title": "Change fans"}, if_match=tag)
    late = program.patch(path, {"title": "Change racks"}, if_match=tag)

    assert (changed.status_code, changed.json()["title"]) == (200, "Change fans")
    assert error_of(late) == (412, "PRECONDITION_FAILED")
    assert dates(program, "?state=planned")[0]["since"] == "2025-03-11T03:00:00Z"
    assert program.get(path, if_none_match=changed.headers["ETag"]).status_code == 304
    assert "duration_minutes" in fields_of(program.patch(path, {"duration_minutes": 0}))


def test_maintenance_under_way_is_extended_and_ended_once(program: Program, monday: Any) -> None:
    plan(program)
    plan(program, title="Change fans", start="2025-03-11T04:00")
    (first, _second) = dates(program)
    path = f"maintenance/{first['id']}"
    assert error_of(program.post(f"{path}/extend", {"minutes": 30})) == (409, "MAINTENANCE_NOT_BEGUN")
    monday.move_to(MONDAY.replace(day=11, hour=2, minute=30))

    tag = program.get(path).headers["ETag"]
    stale = program.post(f"{path}/extend", {"minutes": 30}, if_match=tag)
    extended = program.post(f"{path}/extend", {"minutes": 30})

    assert error_of(stale) == (412, "PRECONDITION_FAILED"), "it has begun since"
    assert (extended.json()["until"], extended.json()["state"]) == ("2025-03-11T03:30:00Z", "under_way")
    assert "Change fans" in fields_of(program.post(f"{path}/extend", {"minutes": 60}))["minutes"][0]
    assert "minutes" in fields_of(program.post(f"{path}/extend", {"minutes": 0}))
    assert error_of(program.post(f"{path}/skip")) == (409, "MAINTENANCE_BEGUN")
    ended = program.post(f"{path}/end", if_match=extended.headers["ETag"]).json()
    assert (ended["state"], ended["until"]) == ("ended", "2025-03-11T02:30:00Z")
    assert error_of(program.post(f"{path}/end")) == (409, "MAINTENANCE_OVER")


def test_a_date_is_skipped_and_the_plan_cancelled(program: Program) -> None:
    made = plan(program, rrule="FREQ=DAILY;COUNT=3")
    second = dates(program)[1]

    skipped = program.post(f"maintenance/{second['id']}/skip").json()
    cancelled = program.post(f"maintenance_plans/{made['id']}/cancel").json()

    assert (skipped["state"], skipped["is_skipped"]) == ("cancelled", True)
    assert cancelled["cancelled_at"] is not None
    assert [each["is_skipped"] for each in dates(program, "?state=cancelled&service=payments")] == [False, True, False]
    assert error_of(program.post(f"maintenance_plans/{made['id']}/cancel")) == (409, "MAINTENANCE_OVER")
    assert error_of(program.patch(f"maintenance_plans/{made['id']}", {"title": "x"})) == (409, "MAINTENANCE_OVER")
    assert not Span.objects.in_force().exists()


def test_updates_are_written_for_customers_and_for_colleagues(program: Program, reporter: Person) -> None:
    plan(program)
    path = f"maintenance/{dates(program)[0]['id']}/updates"

    program.post(path, {"message": "We begin early.", "message_translations": {"ko": "일찍 시작합니다."}})
    program.post(path, {"message": "Bring cables.", "is_customer_visible": False})

    page = program.get(f"{path}?limit=1").json()
    rest = program.get(f"{path}?limit=1&cursor={page['next_cursor']}").json()
    assert [page["items"][0]["is_customer_visible"], rest["items"][0]["message"]] == [False, "We begin early."]
    assert rest["items"][0]["created_by"] == str(reporter.user) and rest["next_cursor"] is None
    assert "message" in fields_of(program.post(path, {"message": "  "}))
    assert "message" in fields_of(program.post(path, {"message": "x" * 102_401}))


def test_a_plan_is_stored_once_per_idempotency_key(program: Program) -> None:
    first, second = (program.post("maintenance_plans", DISKS, idempotency_key="abc-1") for _time in range(2))

    assert first.json() == second.json()
    assert MaintenancePlan.objects.count() == 1


def test_lists_are_read_page_by_page_in_a_fixed_number_of_queries(
    program: Program, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for day in range(11, 16):
        plan(program, start=f"2025-03-{day}T02:00")
    program.get("token")

    with django_assert_num_queries(3):
        plans = program.get("maintenance_plans?limit=3&service=payments").json()
    with django_assert_num_queries(2):
        page = program.get("maintenance?limit=3&service=payments").json()

    rest = program.get(f"maintenance?limit=3&service=payments&cursor={page['next_cursor']}").json()
    more = program.get(f"maintenance_plans?limit=3&cursor={plans['next_cursor']}&is_cancelled=false").json()
    assert [len(each["items"]) for each in (plans, more, page, rest)] == [3, 2, 3, 2]
    assert len(dates(program, "?from=2025-03-12T00:00:00Z&to=2025-03-14T00:00:00Z")) == 2


@pytest.mark.parametrize("path", ["maintenance/7", "maintenance/7/updates", f"maintenance_plans/{10**30}"])
def test_what_does_not_exist_is_404(program: Program, path: str) -> None:
    assert error_of(program.get(path)) == (404, "MAINTENANCE_NOT_FOUND")


def test_viewers_and_tokens_that_only_read_change_nothing(program: Program, viewer: Person, reporter: Person) -> None:
    made, now = plan(program), timezone.now()
    occurrence = dates(program)[0]["id"]
    calls = [
        ("POST", "maintenance_plans", DISKS),
        ("PATCH", f"maintenance_plans/{made['id']}", {"title": "x"}),
        ("POST", f"maintenance_plans/{made['id']}/cancel", None),
        ("POST", f"maintenance/{occurrence}/skip", None),
        ("POST", f"maintenance/{occurrence}/updates", {"message": "x"}),
    ]

    for reader in (Program.of(viewer), Program.of(reporter, "read")):
        assert [reader.call(*call).status_code for call in calls] == [403] * len(calls)
        assert reader.get(f"maintenance/{occurrence}").status_code == 200
    assert MaintenancePlan.objects.get().updated_at == now
