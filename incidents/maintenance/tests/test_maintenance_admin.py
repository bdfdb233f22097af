"""Maintenance in the admin: planned by reporters with the next dates in view, acted on with one click."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.tests.cast import Person
from incidents.maintenance import readers, running
from incidents.maintenance.choices import Choice, choice_of, rule_of
from incidents.maintenance.tests.factories import make_plan
from incidents.models import MaintenanceOccurrence, MaintenancePlan, MaintenanceUpdate
from monitoring.models import MaintenanceWindow, Span
from monitoring.tests.factories import make_service

LIST = "/admin/incidents/maintenanceplan/"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONDAY = date(2027, 3, 1)


def form(**values: Any) -> dict[str, Any]:
    return {
        "title": "Change disks",
        "starts_on": f"{timezone.now() + 7 * DAY:%Y-%m-%d}",
        "wall_time": "02:00",
        "zone": "Europe/Berlin",
        "duration_minutes": "60",
        "repeats": "once",
        "number": "1",
        "day": "MO",
        "announce_hours": "72",
        "covers_all": "on",
        **values,
    }


def under_way(*services: Any, **fields: Any) -> MaintenanceOccurrence:
    """Store maintenance that began a moment ago."""
    now = timezone.now().replace(second=0, microsecond=0)
    plan = make_plan(*services, now=now, starts_on=now.date(), wall_time=now.time(), **fields)
    running.run(now, timezone.get_default_timezone())
    return plan.occurrences.earliest("since")


def test_a_reporter_plans_recurring_maintenance_of_a_service_and_a_group(reporter: Person) -> None:
    payments = make_service("payments")
    make_service("search", group_name="Search")
    fields = {"covers_all": "", "services": ["payments"], "groups": ["Search"], "title_ko": "디스크 교체"}

    answer = reporter.client.post(f"{LIST}add/", form(repeats="weekly", days=["SU", "WE"], **fields))

    assert answer.status_code == 302, answer.context["errors"]
    plan = MaintenancePlan.objects.get()
    assert (plan.rrule, plan.author, plan.groups) == ("FREQ=WEEKLY;BYDAY=WE,SU", reporter.user, ["Search"])
    assert (list(plan.services.all()), plan.title_translations) == ([payments], {"ko": "디스크 교체"})
    assert MaintenanceOccurrence.objects.count() > 20
    assert set(Span.objects.values_list("service_id", "author_id")) == {
        (id, reporter.user.pk) for id in ("payments", "search")
    }


def test_the_next_five_dates_are_shown_before_anything_is_saved(reporter: Person) -> None:
    values = form(repeats="monthly", number="-1", day="SU", starts_on="2027-03-01", _preview="1")

    answer = reporter.client.post(f"{LIST}add/", values)

    text = answer.content.decode()
    assert answer.status_code == 200
    for words in (
        "Sun 2027-03-28 03:00 CEST – Sun 04:00 CEST",
        "Sun 2027-04-25 02:00 CEST",
        "Sun 2027-07-25 02:00 CEST",
    ):
        assert words in text, words
    assert not MaintenancePlan.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"repeats": "rule"}, "Enter a rule, or choose another recurrence."),
        ({"repeats": "rule", "rrule": "FREQ=HOURLY"}, "FREQ=HOURLY is too often for maintenance."),
        ({"repeats": "rule", "rrule": "FREQ=DAILY;X=<script>"}, "is not a part of a rule"),
        ({"duration_minutes": "0"}, "greater than or equal to 1"),
        ({"starts_on": "2020-01-01"}, "2020-01-01 02:00 in Europe/Berlin has passed. Choose a later start."),
        ({"covers_all": ""}, "It covers no service."),
        ({"zone": "Mars/Base"}, "Select a valid choice"),
        ({"repeats": "daily", "last_on": "2020-01-01"}, "This rule has no date after"),
        ({"repeats": "daily", "duration_minutes": "2000"}, "It would still be under way at"),
    ],
)
@pytest.mark.parametrize("button", ["_preview", "_save"])
def test_what_cannot_be_is_refused_next_to_its_field(
    reporter: Person, values: dict[str, str], words: str, button: str
) -> None:
    answer = reporter.client.post(f"{LIST}add/", form(**values, **{button: "1"}))

    assert answer.status_code == 200
    errors = [error for errors in answer.context["adminform"].form.errors.values() for error in errors]
    assert any(words in error for error in errors), errors
    assert b"<script>" not in answer.content.split(b"</head>")[1].split(b"errorlist")[-1][:200]
    assert not MaintenancePlan.objects.exists()


def test_overlapping_maintenance_is_refused_by_name(reporter: Person) -> None:
    reporter.client.post(f"{LIST}add/", form(title="First"))

    answer = reporter.client.post(f"{LIST}add/", form(title="Second"))

    assert "overlaps “First”" in answer.content.decode()


def test_one_click_extends_and_ends(reporter: Person) -> None:
    occurrence = under_way()
    url = f"{LIST}{occurrence.plan_id}/act/"
    planned = occurrence.until

    reporter.client.post(url, {"act": "extend", "occurrence": occurrence.pk, "minutes": "30"})
    occurrence.refresh_from_db()
    assert occurrence.until == planned + HOUR / 2

    reporter.client.post(url, {"act": "end", "occurrence": occurrence.pk})
    occurrence.refresh_from_db()
    assert occurrence.ended_by == reporter.user
    assert Span.objects.in_force().get().until == occurrence.ended_at == occurrence.until

    again = reporter.client.post(url, {"act": "end", "occurrence": occurrence.pk}, follow=True)
    assert "It was already ended by reporter" in again.content.decode()


def test_a_plan_without_further_dates_has_none_to_cancel(reporter: Person) -> None:
    occurrence = under_way(make_service("payments"))
    page = f"{LIST}{occurrence.plan_id}/change/"
    assert "Cancel all further dates" in reporter.client.get(page).content.decode()

    reporter.client.post(f"{LIST}{occurrence.plan_id}/act/", {"act": "end", "occurrence": occurrence.pk})

    assert "Cancel all further dates" not in reporter.client.get(page).content.decode()


def test_updates_are_written_for_customers_and_for_colleagues(reporter: Person) -> None:
    occurrence = under_way()
    url = f"{LIST}{occurrence.plan_id}/act/"
    both = {"act": "update", "occurrence": occurrence.pk}

    reporter.client.post(url, {**both, "message": "Half of it is done.", "is_customer_visible": "on"})
    reporter.client.post(url, {**both, "message": "Disk 7 is <b>broken</b>."})
    empty = reporter.client.post(url, {**both, "message": " "}, follow=True)

    assert "The update has no text." in empty.content.decode()
    assert MaintenanceUpdate.objects.count() == 2
    (shown,) = readers.for_page(timezone.now())
    assert [update.message for update in shown.updates] == ["Half of it is done."]
    page = reporter.client.get(f"{LIST}{occurrence.plan_id}/change/").content.decode()
    assert "Disk 7 is &lt;b&gt;broken&lt;/b&gt;." in page and "not shown to customers" in page


@pytest.mark.parametrize("values", [{"act": "extend", "minutes": "soon"}, {"act": "explode"}, {}])
def test_a_request_that_no_button_makes_is_refused_with_words(reporter: Person, values: dict[str, str]) -> None:
    occurrence = under_way()

    answer = reporter.client.post(
        f"{LIST}{occurrence.plan_id}/act/", {"occurrence": occurrence.pk, **values}, follow=True
    )

    assert b"is not a number" in answer.content or b"is unknown" in answer.content
    occurrence.refresh_from_db()
    assert (occurrence.until - occurrence.since, occurrence.ended_at) == (HOUR, None)


def test_everybody_reads_and_reporters_act(cast: dict[str, Person]) -> None:
    occurrence = under_way(rrule="FREQ=DAILY")
    page = f"{LIST}{occurrence.plan_id}/change/"

    for role, sees, may in (("viewer", True, False), ("reporter", True, True), ("admin", True, True)):
        answer = cast[role].client.get(page)
        assert (answer.status_code == 200) == sees
        assert (b"End now" in answer.content) == may, role
    denied = cast["viewer"].client.post(f"{LIST}{occurrence.plan_id}/act/", {"act": "cancel"})
    assert denied.status_code == 403
    assert cast["stranger"].client.post(f"{LIST}{occurrence.plan_id}/act/", {"act": "cancel"}).status_code == 302
    occurrence.plan.refresh_from_db()
    assert occurrence.plan.cancelled_at is None


def test_a_cancelled_plan_is_read_only(reporter: Person) -> None:
    occurrence = under_way(rrule="FREQ=DAILY")

    reporter.client.post(f"{LIST}{occurrence.plan_id}/act/", {"act": "cancel"})

    page = reporter.client.get(f"{LIST}{occurrence.plan_id}/change/").content.decode()
    assert "Cancelled" in page and "Skip this date" not in page
    assert not MaintenanceOccurrence.objects.open().exists()


def test_the_list_takes_as_many_queries_for_ten_plans_as_for_one(reporter: Person) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert reporter.client.get(LIST).status_code == 200
        return len(found)

    under_way(make_service("s0"), rrule="FREQ=DAILY")
    queries()  # the first one looks up more than the list
    one = queries()
    for number in range(1, 10):
        under_way(make_service(f"s{number}"))

    assert queries() == one


def test_a_window_of_a_plan_is_changed_on_the_page_of_the_plan(admin: Person) -> None:
    occurrence = under_way()
    span = occurrence.spans.get()
    page = f"/admin/monitoring/maintenancewindow/{span.pk}/change/"

    answer = admin.client.get(page)

    assert f"{LIST}{occurrence.plan_id}/change/" in answer.content.decode()
    assert b'name="_save"' not in answer.content
    assert admin.client.post(page, {"reason": "Mine"}).status_code == 403
    assert MaintenanceWindow.objects.get(pk=span.pk).reason == "Change disks"


def test_the_overview_lists_maintenance_once_however_many_services_it_covers(admin: Person) -> None:
    services = [make_service(f"s{number}") for number in range(12)]
    occurrence = under_way(*services)

    text = admin.client.get("/admin/").content.decode()

    assert text.count(f"{LIST}{occurrence.plan_id}/change/") == 1


@pytest.mark.parametrize(
    ("choice", "rule"),
    [
        (Choice(), ""),
        (Choice(repeats="daily"), "FREQ=DAILY"),
        (Choice(repeats="daily", last_on=date(2027, 12, 31)), "FREQ=DAILY;UNTIL=20271231"),
        (Choice(repeats="weekly", days=["MO", "SU"]), "FREQ=WEEKLY;BYDAY=MO,SU"),
        (Choice(repeats="monthly", number="-1", day="FR"), "FREQ=MONTHLY;BYDAY=-1FR"),
        (Choice(repeats="rule", rrule="FREQ=YEARLY"), "FREQ=YEARLY"),
    ],
)
def test_a_choice_and_its_rule_stand_for_each_other(choice: Choice, rule: str) -> None:
    assert rule_of(choice, MONDAY) == rule
    assert choice_of(rule) == choice


@pytest.mark.parametrize("rule", ["FREQ=WEEKLY;BYDAY=XX", "FREQ=MONTHLY;BYDAY=5MO", "FREQ=DAILY;COUNT=3", "whatever"])
def test_another_rule_is_one_of_ones_own(rule: str) -> None:
    assert choice_of(rule) == Choice(repeats="rule", rrule=rule)


def test_weekly_without_days_is_the_day_of_the_start() -> None:
    assert rule_of(Choice(repeats="weekly"), MONDAY) == "FREQ=WEEKLY;BYDAY=MO"


def test_readers_see_what_is_under_way_and_announced_only(
    django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    service = make_service("payments")
    now = datetime(2025, 3, 10, 12, tzinfo=timezone.get_default_timezone())
    make_plan(service, title="Announced", announce_hours=48)
    make_plan(service, title="Silent", starts_on=date(2025, 3, 12))
    running.run(now, timezone.get_default_timezone())

    with django_assert_num_queries(3):
        shown = readers.for_page(now)

    assert [(each.title, each.is_under_way, each.service_ids) for each in shown] == [
        ("Announced", False, frozenset({"payments"}))
    ]
    in_silent = datetime(2025, 3, 12, 2, 30, tzinfo=timezone.get_default_timezone())
    assert [each.title for each in readers.for_page(in_silent)] == ["Silent"], "by the times, though nothing ran"
    with django_assert_num_queries(2):
        assert [each.title for each in readers.today(now + DAY - 11 * HOUR, timezone.get_default_timezone())] == [
            "Announced"
        ]
