"""Maintenance runs itself: announced, begun and ended on time, once, whatever happens between."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from database import changes
from incidents.maintenance import acts, coverage, planning, running, steps
from incidents.maintenance.steps import Step
from incidents.maintenance.tests.factories import NOW, make_plan
from incidents.models import MaintenanceCoverage, MaintenanceOccurrence, MaintenancePlan, MaintenanceUpdate
from monitoring.models import Service, Span
from monitoring.tests.factories import make_checked, make_service

pytestmark = pytest.mark.django_db

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SINCE = datetime(2025, 3, 11, 2, tzinfo=UTC)
UNTIL = SINCE + HOUR


def run(now: datetime) -> MaintenanceOccurrence:
    """Run all steps, and return the first occurrence."""
    running.run(now, UTC)
    return MaintenanceOccurrence.objects.earliest("since")


def test_a_date_is_announced_begun_and_ended_by_itself() -> None:
    make_plan(announce_hours=4)

    assert run(SINCE - 4 * HOUR - MINUTE).announced_at is None
    assert run(SINCE - 4 * HOUR).announced_at == SINCE - 4 * HOUR
    assert run(SINCE - MINUTE).begun_at is None
    assert run(SINCE).begun_at == SINCE
    assert run(UNTIL - MINUTE).ended_at is None
    assert run(UNTIL).ended_at == UNTIL


def test_without_an_announcement_it_is_not_announced() -> None:
    make_plan(announce_hours=0)

    assert run(SINCE).announced_at is None


def test_a_runner_that_was_away_catches_up_with_the_planned_times() -> None:
    make_plan(announce_hours=4)

    found = run(UNTIL + 3 * HOUR)

    assert (found.announced_at, found.begun_at, found.ended_at) == (None, SINCE, UNTIL)


def test_each_step_is_told_once_and_shown_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Step] = []
    monkeypatch.setattr(steps, "_readers", [lambda occurrence, step: told.append(step)])
    make_plan(announce_hours=4)
    before = changes.current("page")

    for now in (SINCE - 4 * HOUR, SINCE - HOUR, SINCE, SINCE + MINUTE, UNTIL, UNTIL + MINUTE):
        run(now)
        run(now)

    assert told == [Step.ANNOUNCED, Step.BEGUN, Step.ENDED]
    assert changes.current("page") >= before + 3


def test_a_clock_that_is_set_back_undoes_and_repeats_nothing() -> None:
    make_plan(announce_hours=4, rrule="FREQ=DAILY")
    run(UNTIL)
    before = list(MaintenanceOccurrence.objects.order_by("since").values())
    spans = Span.objects.count()

    run(SINCE - 12 * HOUR)

    assert list(MaintenanceOccurrence.objects.order_by("since").values()) == before
    assert Span.objects.count() == spans


def test_a_step_that_is_interrupted_leaves_nothing_and_is_done_by_the_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process ends after the step is stored and before its transaction is committed."""
    make_plan()

    def dies(occurrence: MaintenanceOccurrence, step: Step) -> None:
        raise DatabaseError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(steps, "_readers", [dies])
        with pytest.raises(DatabaseError), transaction.atomic():
            run(SINCE)
    assert MaintenanceOccurrence.objects.get().begun_at is None

    assert run(SINCE + MINUTE).begun_at == SINCE


def test_dates_are_made_up_to_the_horizon_once_and_follow_it() -> None:
    make_plan(rrule="FREQ=DAILY;COUNT=10000")
    first = MaintenanceOccurrence.objects.count()
    assert first == 100

    run(NOW + HOUR)
    assert MaintenanceOccurrence.objects.count() == first

    run(NOW + 2 * DAY)
    run(NOW + 2 * DAY)
    assert MaintenanceOccurrence.objects.count() == first + 2
    assert MaintenanceCoverage.objects.count() == Span.objects.count() == first + 2


def test_a_kill_between_date_and_spans_leaves_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    make_plan(rrule="FREQ=DAILY")
    before = MaintenanceOccurrence.objects.count()

    def dies(*args: object, **named: object) -> None:
        raise DatabaseError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(coverage, "cover", dies)
        with pytest.raises(DatabaseError), transaction.atomic():
            run(NOW + 2 * DAY)
    assert MaintenanceOccurrence.objects.count() == before

    run(NOW + 2 * DAY)
    assert MaintenanceOccurrence.objects.count() == Span.objects.count() == before + 2


def test_a_date_that_a_second_run_makes_again_is_refused_by_the_database() -> None:
    plan = make_plan()

    with pytest.raises(DatabaseError, match="maintenance_occurrence_made_once"):
        MaintenanceOccurrence.objects.create(plan=plan, since=SINCE, until=UNTIL)


def test_ending_by_hand_it_stays_under_way_and_is_flagged() -> None:
    make_plan(ends_by_hand=True)

    found = run(UNTIL + MINUTE)

    assert (found.ended_at, found.overran_at) == (None, UNTIL)
    assert MaintenanceOccurrence.objects.overrunning(UNTIL + MINUTE).count() == 1


def test_services_down_at_the_end_are_flagged_and_noted_internally() -> None:
    down, fine = make_checked("payments", "mo"), make_checked("search", "o")
    make_plan(down, fine)

    found = run(UNTIL)

    assert (found.ended_at, found.down_at_end) == (UNTIL, 1)
    note = MaintenanceUpdate.objects.get()
    assert note.message == "The planned end has passed, and 1 services are down: Payments"
    assert not note.is_customer_visible
    assert not MaintenanceUpdate.objects.public().exists()


def test_services_follow_their_group_from_the_next_date_on() -> None:
    first, joining = make_service("a", group_name="Payments"), make_service("b")
    make_plan(groups=["Payments"], rrule="FREQ=DAILY")
    run(SINCE)

    Service.objects.filter(pk=first.pk).update(group_name="")
    Service.objects.filter(pk=joining.pk).update(group_name="Payments")
    run(SINCE + MINUTE)

    under_way, later = MaintenanceOccurrence.objects.order_by("since")[:2]
    assert set(coverage.spans_of([under_way]).values_list("service_id", flat=True)) == {"a"}
    assert set(coverage.spans_of([later]).values_list("service_id", flat=True)) == {"b"}


@pytest.mark.slow
def test_ten_thousand_services_take_as_many_queries_as_two() -> None:
    assert queries_of(2, "few") == queries_of(10_000, "many")
    assert Span.objects.in_force().count() == 10_002
    assert Span.objects.count() == 20_004, "the extension keeps the earlier entries"


def queries_of(count: int, title: str) -> int:
    """Plan, begin and extend maintenance of so many services, and return the number of queries."""
    fields = {"endpoint_url": "http://s.example", "display_name": "S"}
    ids = [f"{title}-{number}" for number in range(count)]
    Service.objects.bulk_create([Service(id=id, name=id, **fields) for id in ids])
    services = list(Service.objects.filter(id__in=ids))
    with CaptureQueriesContext(connection) as queries:
        occurrence = make_plan(*services, title=title).occurrences.get()
        running.run(SINCE, UTC)
        acts.extend(occurrence.pk, 30, by=None, now=SINCE + MINUTE, zone=UTC)
    return len(queries)


def test_a_cancelled_plan_makes_no_more_dates() -> None:
    plan = make_plan(rrule="FREQ=DAILY")
    planning.withdraw(list(plan.occurrences.planned()), by=None, now=NOW, zone=UTC)
    MaintenancePlan.objects.update(cancelled_at=NOW)
    count = MaintenanceOccurrence.objects.count()

    run(NOW + 30 * DAY)

    assert MaintenanceOccurrence.objects.count() == count
    assert not Span.objects.in_force().exists()
