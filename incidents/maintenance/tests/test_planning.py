"""Plans that are refused, with the value and the remedy, and plans that change."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from accounts.tests.cast import Person
from incidents.maintenance import acts, planning, running
from incidents.maintenance.tests.factories import NOW, make_plan
from incidents.models import MaintenanceOccurrence, MaintenancePlan
from monitoring.accounting import amendments
from monitoring.models import MaintenanceWindow, Service, Span
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SINCE = datetime(2025, 3, 11, 2, tzinfo=UTC)


def refusal(*services: Service, **fields: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        make_plan(*services, **fields)
    return caught.value.message_dict


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"duration_minutes": 0}, "duration_minutes", "It would end when it begins, or before: 0 minutes. Enter at"),
        ({"duration_minutes": -60}, "duration_minutes", "-60 minutes. Enter at least 1"),
        ({"duration_minutes": 50_000}, "duration_minutes", "50000 minutes is more than 43200"),
        ({"starts_on": date(2025, 3, 9)}, "starts_on", "2025-03-09 02:00 in UTC has passed. Choose a later start."),
        ({"starts_on": date(9999, 12, 31)}, "starts_on", "more than 10 years ahead"),
        ({"zone": "Mars/Base"}, "zone", "“Mars/Base” is not a time zone. Enter a name such as Europe/Berlin"),
        ({"zone": "../../etc/passwd"}, "zone", "is not a time zone"),
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "has no date after 2025-03-11 02:00"),
        ({"rrule": "FREQ=DAILY;UNTIL=20250101"}, "rrule", "has no date after"),
        ({"rrule": "FREQ=OFTEN"}, "rrule", "unknown. Enter DAILY"),
        (
            {"rrule": "FREQ=DAILY", "duration_minutes": 1441},
            "duration_minutes",
            "still be under way at 2025-03-12 02:00, when its next date begins. Enter at most 1440 minutes",
        ),
        (  # in this zone, one night of the year has an hour less
            {"rrule": "FREQ=DAILY", "duration_minutes": 1440, "zone": "Europe/Berlin"},
            "duration_minutes",
            "at 2025-03-31 02:00.*at most 1380 minutes",
        ),
        ({"groups": ["Nobody"]}, "groups", "No service is in the group “Nobody”"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_and_nothing_is_stored(fields: dict[str, Any], field: str, words: str) -> None:
    import re

    (message,) = refusal(**fields)[field]

    assert re.search(words, message), message
    assert not MaintenancePlan.objects.exists() and not Span.objects.exists()


def test_a_plan_needs_services() -> None:
    assert "covers no service" in refusal(covers_all=False)["services"][0]


def test_a_start_within_the_last_minute_is_accepted() -> None:
    make_plan(starts_on=NOW.date(), wall_time=time(11, 59), now=NOW + timedelta(seconds=30) - timedelta(minutes=1))

    assert MaintenanceOccurrence.objects.count() == 1


def test_a_rule_without_an_end_is_fine() -> None:
    make_plan(rrule="FREQ=WEEKLY")

    assert MaintenanceOccurrence.objects.count() == 15


def test_overlapping_maintenance_of_the_same_service_is_refused_by_name() -> None:
    payments, search = make_service("payments"), make_service("search")
    make_plan(payments, title="Change disks")

    met = refusal(payments, search, title="Another", wall_time=time(2, 59))["starts_on"][0]

    assert met == (
        "2025-03-11 02:59 overlaps “Change disks”, 2025-03-11 02:00 – 2025-03-11 03:00, which covers some of the same"
        " services. Choose another time, or end or skip that one first."
    )
    make_plan(payments, title="Right after", wall_time=time(3))
    make_plan(search, title="Another service")
    assert "overlaps" in refusal(title="All services")["starts_on"][0]


def test_a_window_that_was_entered_by_itself_counts_too() -> None:
    payments = make_service("payments")
    window = MaintenanceWindow(service=payments, since=SINCE, until=None, reason="Move")
    amendments.keep_span(window, now=NOW, zone=UTC)

    assert "overlaps “Move”, 2025-03-11 02:00 – …" in refusal(payments)["starts_on"][0]


def test_two_rules_that_meet_after_months_are_refused() -> None:
    payments = make_service("payments")
    make_plan(payments, title="Fridays", rrule="FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24")

    met = refusal(payments, title="Monthly", rrule="FREQ=MONTHLY;BYMONTHDAY=24")["starts_on"][0]

    assert "2025-12-24 02:00 overlaps “Fridays”" in met


def test_rules_that_begin_years_ahead_are_compared_too() -> None:
    payments = make_service("payments")
    make_plan(payments, rrule="FREQ=WEEKLY", starts_on=date(2030, 1, 7))

    met = refusal(payments, rrule="FREQ=DAILY", starts_on=date(2030, 2, 1))["starts_on"][0]

    assert "2030-02-04 02:00 overlaps" in met


def test_a_skipped_date_leaves_its_time_to_others() -> None:
    payments = make_service("payments")
    first = make_plan(payments).occurrences.get()

    acts.skip(first.pk, by=None, now=NOW, zone=UTC)

    make_plan(payments, title="Instead")


def test_a_changed_rule_withdraws_the_dates_that_it_no_longer_has() -> None:
    plan = make_plan(rrule="FREQ=DAILY")
    occurrences = MaintenanceOccurrence.objects.planned()

    plan.rrule, plan.title = "FREQ=DAILY;INTERVAL=2", "Change more disks"
    planning.save(plan, [], by=None, now=NOW, zone=UTC)

    kept = list(occurrences.order_by("since").values_list("since", flat=True))
    assert kept[:2] == [SINCE, SINCE + 2 * DAY]
    in_force = Span.objects.in_force()
    assert set(in_force.values_list("reason", flat=True)) == {"Change more disks"}
    assert in_force.count() == len(kept) == occurrences.count()

    plan.rrule = "FREQ=DAILY"
    planning.save(plan, [], by=None, now=NOW, zone=UTC)
    assert in_force.count() == occurrences.count() == 100, "withdrawn dates come back, without twins"


def test_a_skipped_date_stays_skipped_when_the_plan_changes() -> None:
    plan = make_plan(rrule="FREQ=DAILY")
    acts.skip(MaintenanceOccurrence.objects.earliest("since").pk, by=None, now=NOW, zone=UTC)

    plan.duration_minutes = 30
    planning.save(plan, [], by=None, now=NOW, zone=UTC)

    assert MaintenanceOccurrence.objects.planned().earliest("since").since == SINCE + DAY
    assert {span.until - span.since for span in Span.objects.in_force()} == {HOUR / 2}


def test_the_date_under_way_stays_when_its_plan_changes() -> None:
    plan = make_plan(rrule="FREQ=DAILY")
    running.run(SINCE, UTC)

    plan.duration_minutes = 30
    planning.save(plan, [], by=None, now=SINCE + HOUR / 4, zone=UTC)

    first, second = MaintenanceOccurrence.objects.order_by("since")[:2]
    assert (first.until - first.since, second.until - second.since) == (HOUR, HOUR / 2)


def test_a_plan_whose_start_has_passed_can_be_changed_but_not_moved_into_the_past() -> None:
    plan = make_plan(rrule="FREQ=DAILY")
    later = SINCE + 10 * DAY
    running.run(later, UTC)

    plan.title = "Other words"
    planning.save(plan, [], by=None, now=later, zone=UTC)
    plan.starts_on = date(2025, 3, 12)
    with pytest.raises(ValidationError, match="has passed"):
        planning.save(plan, [], by=None, now=later, zone=UTC)


def test_acts_refuse_what_is_over_or_not_begun_with_words(admin: Person) -> None:
    pk = make_plan().occurrences.get().pk
    for act in (acts.end_now, lambda pk, **named: acts.extend(pk, 5, **named)):
        with pytest.raises(ValidationError, match="Skip it, or change the plan"):
            act(pk, by=None, now=NOW, zone=UTC)
    with pytest.raises(ValidationError, match="End it instead"):
        acts.skip(pk, by=None, now=SINCE, zone=UTC)

    acts.end_now(pk, by=admin.user, now=SINCE + HOUR / 2, zone=UTC)

    with pytest.raises(ValidationError, match=r"It was already ended by admin, 2025-03-11 02:30 UTC\."):
        acts.end_now(pk, by=None, now=SINCE + HOUR / 2, zone=UTC)
    with pytest.raises(ValidationError, match="already ended"):
        acts.skip(pk, by=None, now=SINCE + HOUR / 2, zone=UTC)


@pytest.mark.parametrize("minutes", [0, -5, 43_201])
def test_an_extension_is_a_number_of_minutes_in_range(minutes: int) -> None:
    pk = make_plan().occurrences.get().pk

    with pytest.raises(ValidationError, match="Enter a number from 1 to 43200"):
        acts.extend(pk, minutes, by=None, now=SINCE, zone=UTC)


def test_an_extension_into_other_maintenance_is_refused() -> None:
    payments = make_service("payments")
    pk = make_plan(payments).occurrences.get().pk
    make_plan(payments, title="Next", wall_time=time(3, 30))

    with pytest.raises(ValidationError, match="overlaps “Next”"):
        acts.extend(pk, 31, by=None, now=SINCE, zone=UTC)
    acts.extend(pk, 30, by=None, now=SINCE, zone=UTC)


def test_a_cancelled_plan_ends_what_is_under_way_and_withdraws_the_rest(admin: Person) -> None:
    plan = make_plan(rrule="FREQ=DAILY")

    acts.cancel(plan.pk, by=admin.user, now=SINCE + HOUR / 2, zone=UTC)

    first = MaintenanceOccurrence.objects.earliest("since")
    assert (first.ended_at, first.ended_by) == (SINCE + HOUR / 2, admin.user)
    assert not MaintenanceOccurrence.objects.open().exists()
    assert Span.objects.in_force().count() == 1
    plan.refresh_from_db()
    with pytest.raises(ValidationError, match="already cancelled by admin"):
        acts.cancel(plan.pk, by=None, now=SINCE + HOUR, zone=UTC)
    with pytest.raises(ValidationError, match="Plan another one"):
        planning.save(plan, [], by=None, now=SINCE + HOUR, zone=UTC)


def test_the_database_refuses_an_end_before_the_start() -> None:
    plan = make_plan()

    with pytest.raises(IntegrityError, match="maintenance_occurrence_in_order"):
        MaintenanceOccurrence.objects.create(plan=plan, since=SINCE + DAY, until=SINCE + DAY)
