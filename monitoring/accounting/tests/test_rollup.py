import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from monitoring.accounting import rollup, rollup_requests
from monitoring.accounting.today import refresh_today
from monitoring.catalogue import lifecycle
from monitoring.engine import recording
from monitoring.models import (
    AccountingPolicy,
    ApiCallLog,
    CheckRun,
    EngineCounter,
    RollupRequest,
    Service,
    ServiceState,
    Span,
    UptimeRecord,
)
from monitoring.models.policies import PolicyBook
from monitoring.rules import histogram
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

DAY = date(2025, 3, 10)
LATER = START + timedelta(days=2)
HOUR = 3600


@pytest.fixture
def service() -> Service:
    return make_old_service()


def make_old_service(id: str = "payments", **fields: Any) -> Service:
    service = make_service(id, check_interval=300_000, **fields)
    Service.objects.filter(id=id).update(created_at=START - timedelta(days=9))
    return service


def check(start: float, end: float, verdict: str = "ok", service_id: str = "payments") -> None:
    """Record a check every five minutes from `start` to before `end`, in seconds after the day's start."""
    seconds = range(round(start), round(end), 300)
    batch = [make_result(s, verdict, service_id, interval_ms=300_000) for s in seconds]
    recording.record(batch, START + timedelta(days=3))


def check_in_time(start: int, end: int) -> None:
    """Record such checks two seconds after each is due."""
    for second in range(start, end, 300):
        recording.record([make_result(second, interval_ms=300_000)], START + timedelta(seconds=second + 2))


def roll_up(day: date = DAY, now: datetime = LATER) -> UptimeRecord:
    rollup.roll_up(day, ["payments"], now, UTC)
    return UptimeRecord.objects.get(date=day)


def test_a_good_day_is_a_hundred_percent(service: Any) -> None:
    check(-600, 90_000)

    record = roll_up()

    assert (record.status, record.uptime_percentage, record.coverage_percentage) == ("o", 100, 100)
    assert (record.total_checks, record.successful_checks, record.failed_checks) == (288, 288, 0)
    assert (record.operational_s, record.is_settled, record.policy.version) == (86_400, True, 1)


def test_downtime_is_counted_in_seconds_and_floored(service: Any) -> None:
    check(-600, HOUR)
    check(HOUR, 2 * HOUR, "bad")
    check(2 * HOUR, 90_000)

    record, calls = roll_up(), ApiCallLog.objects.get()

    assert (record.status, record.down_s, record.uptime_percentage) == ("po", HOUR, Decimal("95.83"))
    assert (record.failed_checks, calls.total_downtime_minutes, calls.uptime_percentage) == (12, 60, Decimal("95.83"))


def test_a_day_below_the_bound_is_major(service: Any) -> None:
    check(-600, 2 * HOUR, "bad")
    check(2 * HOUR, 90_000)

    assert roll_up().status == "mo"


def test_an_outage_over_midnight_that_is_confirmed_after_it_counts_before_it(service: Any) -> None:
    check(-600, 86_400 - 300)
    check(86_400 - 300, 86_400 + 600, "bad")
    check(86_400 + 600, 90_000)

    assert roll_up().down_s == 300


def test_an_outage_since_days_is_carried_in(service: Any) -> None:
    check(-2 * 86_400, 600, "bad")
    check(600, 90_000)

    assert roll_up().down_s == 600


def test_a_day_without_checks_is_no_data_and_no_figure(service: Any) -> None:
    record = roll_up()

    assert (record.status, record.uptime_percentage, record.unknown_s) == ("nd", None, 86_400)


def test_a_day_before_the_service_existed_is_empty(service: Any) -> None:
    Service.objects.update(created_at=START + timedelta(days=5))

    assert (roll_up().status, UptimeRecord.objects.get().empty_s) == ("e", 86_400)


def test_pauses_are_on_neither_side(service: Any) -> None:
    check(-600, HOUR)
    Span.objects.create(
        kind="paused", service=service, since=START + timedelta(hours=1), until=START + timedelta(hours=3)
    )
    check(3 * HOUR, 90_000)

    record = roll_up()

    assert (record.paused_s, record.uptime_percentage, record.coverage_percentage) == (2 * HOUR, 100, 100)


def test_the_time_between_archiving_and_restoring_is_a_pause(service: Any) -> None:
    check(-600, 12 * HOUR)
    lifecycle.archive(["payments"], now=START + timedelta(hours=12))
    lifecycle.restore(["payments"], now=START + timedelta(hours=18))
    check(18 * HOUR, 90_000)

    record = roll_up()

    assert (record.paused_s, record.unknown_s, record.uptime_percentage) == (6 * HOUR, 0, 100)
    assert ServiceState.objects.get().status == "o"


def test_the_days_between_archiving_and_restoring_have_rows(service: Any) -> None:
    check(-600, 12 * HOUR)
    lifecycle.archive(["payments"], now=START + timedelta(hours=12))
    for day in range(1, 4):
        rollup_requests.plan(START + timedelta(days=day, minutes=11), UTC)
        while rollup.work_off(START + timedelta(days=day, minutes=11), UTC):
            pass
    assert not UptimeRecord.objects.filter(date__gt=DAY).exists()

    lifecycle.restore(["payments"], now=START + timedelta(days=3, hours=12))
    while rollup.work_off(START + timedelta(days=3, hours=12), UTC):
        pass

    between = UptimeRecord.objects.filter(date__gt=DAY)
    assert [(row.date.day, row.paused_s) for row in between.order_by("date")] == [(11, 86_400), (12, 86_400)]


def test_twice_is_once(service: Any) -> None:
    check(-600, 90_000)
    first = roll_up()

    second = roll_up()

    assert {**vars(first), "updated_at": 0, "_state": 0} == {**vars(second), "updated_at": 0, "_state": 0}
    assert ApiCallLog.objects.count() == 1


def test_percentiles_are_exact_and_the_histogram_is_within_one_percent(service: Any) -> None:
    times = [float(n) for n in range(1, 289)]
    batch = []
    for number, milliseconds in enumerate(times):
        result = make_result(300 * number, interval_ms=300_000)
        phases = type(result.phases)(total_ms=milliseconds)
        request = type(result.requests[0])(
            started_at_ms=result.checked_at_ms, url="", method="GET", status_code=200, error_message=None, phases=phases
        )
        batch.append(make_result(300 * number, interval_ms=300_000, phases=phases, requests=(request,)))
    recording.record(batch, LATER)

    roll_up()

    calls = ApiCallLog.objects.get()
    assert (calls.min_response_time, calls.p50_response_time, calls.p95_response_time, calls.max_response_time) == (
        1,
        144,
        274,
        288,
    )
    counts = histogram.merge([(calls.histogram_buckets, calls.histogram_counts)])
    for share, exact in ((0.5, 144), (0.95, 274), (0.99, 286)):
        assert histogram.percentile(counts, share) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 9), 23), (date(2025, 11, 2), 25), (date(2025, 3, 10), 24)])
def test_days_are_those_of_the_zone(day: Any, hours: Any) -> None:
    make_old_service()
    Service.objects.update(created_at=START - timedelta(days=400))

    rollup.roll_up(day, ["payments"], START + timedelta(days=400), ZoneInfo("America/New_York"))

    assert UptimeRecord.objects.get().unknown_s == hours * HOUR


def test_a_missed_night_is_caught_up_and_done_once(service: Any) -> None:
    check(-600, 90_000)

    late_at_night = LATER + timedelta(minutes=10)

    rollup_requests.plan(late_at_night, UTC)
    while rollup.work_off(late_at_night, UTC):
        pass

    # The service is nine days old, and today is not over.
    assert UptimeRecord.objects.count() == 11
    assert rollup_requests.plan(late_at_night, UTC) == 0
    assert not RollupRequest.objects.exists()


def test_an_unsettled_day_is_asked_for_again(service: Any) -> None:
    check(-600, 86_400 - 300)
    check(86_400 - 300, 86_400 + 300, "bad")  # two failures, the second after midnight: confirmed
    check(2 * 86_400 - 300, 2 * 86_400, "bad")  # one failure at the end of the next day: not yet
    soon = START + timedelta(days=2, seconds=60)
    RollupRequest.objects.all().delete()

    rollup_requests.request(["payments"], [DAY, DAY + timedelta(days=1)])
    while rollup.work_off(soon, UTC):
        pass

    assert [record.is_settled for record in UptimeRecord.objects.order_by("date")] == [True, False]
    assert RollupRequest.objects.get().not_before == soon + rollup.UNSETTLED_WAIT


def test_today_is_kept_up_to_date_from_runs(service: Any) -> None:
    check(0, 7200)

    refresh_today(START + timedelta(hours=2), UTC)

    record = UptimeRecord.objects.get()
    assert (record.date, record.operational_s, record.uptime_percentage, record.is_settled) == (DAY, 7200, 100, False)


def test_where_time_is_short_today_is_refreshed_in_turns(service: Any) -> None:
    make_service(name="Search", id="search")

    refreshed = [refresh_today(START + timedelta(hours=2), UTC, budget_s=0.0, batch_size=1) for _ in range(3)]

    assert refreshed == [1, 1, 1]
    first, second = UptimeRecord.objects.order_by("updated_at").values_list("service_id", flat=True)
    assert (first, second) == ("search", "payments"), "payments was made first and again when both had a row"


def test_where_time_is_short_yesterday_is_refreshed_in_turns_too(service: Any) -> None:
    make_old_service("search")
    after_midnight = START + timedelta(days=1, minutes=5)

    found = []
    for _ in range(2):
        refresh_today(after_midnight, UTC, budget_s=0.0, batch_size=1)
        found.append(sorted(UptimeRecord.objects.filter(date=DAY).values_list("service", flat=True)))

    assert found == [["payments"], ["payments", "search"]]


def test_yesterday_is_kept_up_to_date_until_it_closes_and_is_then_the_roll_ups(service: Any) -> None:
    check(-600, 86_400 + 300)
    refresh_today(START + timedelta(days=1, seconds=-30), UTC)
    assert UptimeRecord.objects.get().operational_s == 86_370

    refresh_today(START + timedelta(days=1, minutes=5), UTC)
    yesterday = UptimeRecord.objects.get(date=DAY)
    assert (yesterday.operational_s, yesterday.is_settled) == (86_400, False)

    closed = START + timedelta(days=1, minutes=11)
    rollup_requests.plan(closed, UTC)
    while rollup.work_off(closed, UTC):
        pass
    refresh_today(START + timedelta(days=1, minutes=9), UTC)
    yesterday = UptimeRecord.objects.get(date=DAY)
    assert (yesterday.total_checks, yesterday.is_settled) == (288, True)


def test_days_that_are_over_keep_the_thresholds_they_were_accounted_with(service: Any) -> None:
    check(-600, HOUR)
    check(HOUR, HOUR + 600, "bad")
    check(HOUR + 600, 90_000)
    assert roll_up().down_s == 600

    service.failure_threshold = 3
    lifecycle.save(service, ["failure_threshold"])
    again = roll_up()
    rollup.roll_up(DAY + timedelta(days=1), ["payments"], LATER, UTC)

    assert (again.down_s, again.failure_threshold) == (600, 2)
    assert UptimeRecord.objects.get(date=DAY + timedelta(days=1)).failure_threshold == 3


def test_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(30):
        make_old_service(f"service-{number:02}")
    ids = list(Service.objects.values_list("id", flat=True))

    with django_assert_num_queries(22):
        rollup.roll_up(DAY, ids, LATER, UTC)


def test_a_policy_version_cannot_be_edited_or_deleted() -> None:
    policy = AccountingPolicy.objects.get(version=1)

    with pytest.raises(IntegrityError, match="make the next version"), transaction.atomic():
        AccountingPolicy.objects.filter(id=policy.id).update(failure_threshold=9)
    with pytest.raises(IntegrityError, match="make the next version"), transaction.atomic():
        policy.delete()


def test_the_version_in_force_depends_on_the_day() -> None:
    AccountingPolicy.objects.create(name="standard", version=2, effective_on=DAY, failure_threshold=3)
    book = PolicyBook()

    assert book.in_force("standard", DAY - timedelta(days=1)).version == 1
    assert book.in_force("standard", DAY).version == 2
    with pytest.raises(LookupError, match="'gold'"):
        book.in_force("gold", DAY)


def test_a_check_that_arrives_days_late_asks_for_its_day_again(service: Any) -> None:
    check(-600, 3 * HOUR)
    check(4 * HOUR, 90_000)
    roll_up()
    assert UptimeRecord.objects.get(date=DAY).unknown_s > 0

    check(3 * HOUR, 4 * HOUR)
    while rollup.work_off(LATER, UTC):
        pass

    assert UptimeRecord.objects.get(date=DAY).unknown_s == 0


def test_checks_that_waited_over_midnight_change_the_day_that_was_settled_without_them(service: Any) -> None:
    check(-600, 23 * HOUR)
    at_night = START + timedelta(days=1, minutes=11)
    rollup_requests.plan(at_night, UTC)
    while rollup.work_off(at_night, UTC):
        pass
    settled = UptimeRecord.objects.get(date=DAY)
    assert (settled.is_settled, settled.unknown_s) == (True, HOUR - 450)

    # The database was away: the batch waited in the queue, and comes in the order of time.
    check(23 * HOUR, 86_400 + 600)
    while rollup.work_off(at_night, UTC):
        pass

    assert (UptimeRecord.objects.get(date=DAY).unknown_s, UptimeRecord.objects.get(date=DAY).total_checks) == (0, 288)


def test_a_failure_that_is_confirmed_by_a_check_which_waited_counts_from_its_beginning(service: Any) -> None:
    check(-600, 86_400 - 300)
    check(86_400 - 300, 86_400, "bad")
    at_night = START + timedelta(days=1, minutes=30)
    rollup.roll_up(DAY, ["payments"], at_night, UTC)
    assert (UptimeRecord.objects.get().down_s, UptimeRecord.objects.get().is_settled) == (0, True)

    check(86_400, 86_400 + 300, "bad")
    while rollup.work_off(at_night, UTC):
        pass

    assert UptimeRecord.objects.get(date=DAY).down_s == 300


def test_checks_that_come_in_time_ask_for_nothing(service: Any) -> None:
    for number in range(3):
        second = 86_400 + 900 + 300 * number
        batch = [make_result(second, "bad", interval_ms=300_000)]
        recording.record(batch, START + timedelta(seconds=second + 2))

    assert not RollupRequest.objects.exists()


def test_recorded_runs_that_differ_from_the_raw_checks_are_rebuilt_and_counted(service: Any) -> None:
    check(-600, HOUR)
    check(HOUR, 2 * HOUR, "bad")
    check(2 * HOUR, 90_000)
    CheckRun.objects.filter(verdict="bad").delete()

    record = roll_up()

    assert record.down_s == HOUR
    assert EngineCounter.objects.get(name="runs_differed").value == 1
    roll_up()
    assert EngineCounter.objects.get(name="runs_differed").value == 1


def test_the_command_shows_what_would_change_and_then_changes_it(service: Any) -> None:
    check(-600, 90_000)
    said = StringIO()

    call_command("rollup", "--from", "2025-03-10", "--to", "2025-03-10", "--dry-run", stdout=said)
    assert "2025-03-10 payments: nothing → Operational 100.00 %" in said.getvalue()
    assert not UptimeRecord.objects.exists()

    call_command("rollup", "--from", "2025-03-10", "--to", "2025-03-10", stdout=said)
    assert "1 days of 1 services accounted; 1 figures changed." in said.getvalue()
    assert UptimeRecord.objects.get().status == "o"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "2025-03-11", "--to", "2025-03-10"], "Swap them"),
        (["--to", "2999-01-01"], "has not begun yet"),
        (["--service", "payment"], "Did you mean payments"),
        (["--from", "tomorrow"], "invalid"),
    ],
)
def test_the_command_refuses_nonsense_in_words(service: Any, arguments: Any, words: Any) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("rollup", *arguments, stdout=StringIO())


@pytest.mark.usefixtures("transactional_db")
def test_two_workers_at_once_do_each_day_once() -> None:
    service = make_old_service()
    check_in_time(-600, 90_000)
    rollup_requests.request([service.id], [DAY - timedelta(days=1), DAY])

    assert rollup.work_off_all(UTC, budget_s=20) == 2

    assert UptimeRecord.objects.count() == 2
    assert not RollupRequest.objects.exists()


@pytest.mark.usefixtures("transactional_db")
def test_who_asks_for_a_day_that_is_under_way_is_not_forgotten() -> None:
    make_old_service()
    check_in_time(-600, 3 * HOUR)
    check_in_time(4 * HOUR, 90_000)
    rollup_requests.request(["payments"], [DAY])
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            # The roll-up reads, and then has to wait for the table that it writes to.
            cursor.execute("LOCK TABLE uptime_records IN SHARE MODE")
            working = pool.submit(rollup.work_off_all, UTC, 60)
            wait_until_somebody_waits_for("uptime_records")
            check(3 * HOUR, 4 * HOUR)
        working.result(60)

    rollup.work_off_all(UTC, 60)

    assert UptimeRecord.objects.get(date=DAY).unknown_s == 0
    assert not RollupRequest.objects.exists()


def wait_until_somebody_waits_for(table: str) -> None:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = %s::regclass)"
    ends_at = time.monotonic() + 60
    with connection.cursor() as cursor:
        while time.monotonic() < ends_at:
            cursor.execute(waiting, [table])
            if cursor.fetchone()[0]:
                return
    raise AssertionError(f"nobody waits for {table}")
