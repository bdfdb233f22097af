from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_django import Settings

from accounts.tests.cast import Person
from database import retention as database_retention
from database.models import DroppedPartition
from monitoring.accounting import retention, rollup, rollup_requests
from monitoring.engine import recording
from monitoring.models import ApiCallLog, CheckRun, RollupRequest, Service, UptimeRecord, WatchServerLog
from monitoring.models.raw import RAW_TABLES
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

DAY = START.date()
LATER = START + timedelta(days=3)
SEOUL = ZoneInfo("Asia/Seoul")
HALF_AN_HOUR = ZoneInfo("Asia/Kolkata")


@pytest.fixture
def service() -> Service:
    service = make_service(check_interval=300_000)
    Service.objects.update(created_at=START - timedelta(days=9))
    return service


def check(start: int = -600, end: int = 90_000) -> None:
    recording.record([make_result(s, interval_ms=300_000) for s in range(start, end, 300)], LATER)


def account(*days: date, zone: Any = UTC) -> None:
    for day in days:
        rollup.roll_up(day, ["payments"], LATER, zone)
        RollupRequest.objects.filter(date=day).delete()


def drop(*tables: str) -> None:
    """Note the day as dropped, and take its rows away."""
    for table in tables:
        DroppedPartition.objects.create(table_name=table, day=DAY, size_bytes=1, dropped_at=LATER)
    WatchServerLog.objects.filter(checked_at__gte=START, checked_at__lt=START + timedelta(days=1)).delete()


def test_a_day_is_unaccounted_until_it_is_settled(service: Any) -> None:
    check()
    assert retention.unaccounted(DAY) == 1

    account(DAY)
    assert retention.unaccounted(DAY) == 0

    UptimeRecord.objects.update(is_settled=False)
    assert retention.unaccounted(DAY) == 1


def test_a_day_that_somebody_asked_for_again_is_unaccounted(service: Any) -> None:
    check()
    account(DAY)

    rollup_requests.request(["payments"], [DAY])

    assert retention.unaccounted(DAY) == 1


def test_every_page_day_that_a_utc_day_touches_must_be_accounted(service: Any, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = SEOUL
    check(-90_000, 180_000)

    account(DAY, zone=SEOUL)
    assert retention.unaccounted(DAY) == 1, "nine hours of the UTC day belong to the next day in Seoul"

    account(DAY + timedelta(days=1), zone=SEOUL)
    assert retention.unaccounted(DAY) == 0


@pytest.mark.parametrize(("zone", "days"), [(ZoneInfo("UTC"), 1), (SEOUL, 2), (HALF_AN_HOUR, 2)])
def test_a_utc_day_touches_one_or_two_page_days(settings: Settings, zone: Any, days: Any) -> None:
    settings.PAGE_TIME_ZONE = zone

    assert list(retention.page_days(DAY)) == [DAY + timedelta(days=n) for n in range(days)]


def test_services_that_did_not_exist_then_do_not_hold_a_day(service: Any) -> None:
    check()
    account(DAY)
    make_service("born-later")
    Service.objects.filter(id="born-later").update(created_at=START + timedelta(days=1))
    make_service("removed-before")
    Service.objects.filter(id="removed-before").update(
        created_at=START - timedelta(days=9), archived_at=START - timedelta(days=1)
    )

    assert retention.unaccounted(DAY) == 0


def test_what_holds_a_day_is_asked_for(service: Any) -> None:
    retention.ask_for(DAY)

    assert list(RollupRequest.objects.values_list("date", flat=True)) == [DAY]


def test_both_raw_tables_are_registered_with_their_settings(settings: Settings) -> None:
    settings.KEEP_CHECKS_DAYS, settings.KEEP_RESPONSE_TIMES_DAYS = 30, 7

    kept = {table.name: table.keep_days() for table in database_retention.registered() if table.name in RAW_TABLES}

    assert kept == {"watch_server_logs": 30, "api_response_times": 7}


def test_results_older_than_raw_rows_are_kept_are_refused(service: Any, settings: Settings) -> None:
    settings.KEEP_CHECKS_DAYS, settings.KEEP_RESPONSE_TIMES_DAYS = 30, 7
    now = START + timedelta(days=8)

    recorded = recording.record([make_result(0), make_result(2 * 86_400)], now)

    assert (recorded.refused, recorded.stored) == (1, 1)


@pytest.mark.parametrize("tables", [RAW_TABLES, RAW_TABLES[:1], RAW_TABLES[1:]])
def test_accounting_a_day_again_without_its_raw_rows_keeps_what_was_counted(service: Any, tables: Any) -> None:
    check()
    account(DAY)
    counted = list(UptimeRecord.objects.values_list("total_checks", "avg_response_time"))
    called = list(ApiCallLog.objects.values_list("total_calls", "p99_response_time", "histogram_counts"))
    runs = list(CheckRun.objects.values_list("first_at", "last_at"))
    drop(*tables)

    account(DAY)

    assert list(UptimeRecord.objects.values_list("total_checks", "avg_response_time")) == counted
    assert list(ApiCallLog.objects.values_list("total_calls", "p99_response_time", "histogram_counts")) == called
    assert list(CheckRun.objects.values_list("first_at", "last_at")) == runs


def test_time_is_accounted_again_without_raw_rows(service: Any, admin: Person) -> None:
    check()
    account(DAY)
    drop(*RAW_TABLES)
    restate(START, START + timedelta(hours=1), admin.user)

    account(DAY)

    record, calls = UptimeRecord.objects.get(date=DAY), ApiCallLog.objects.get(date=DAY)
    assert (record.down_s, record.is_settled) == (3600, True)
    assert (calls.total_downtime_minutes, calls.uptime_percentage) == (60, record.uptime_percentage)
    assert calls.total_calls == 288


def restate(since: datetime, until: datetime, author: Any) -> None:
    from monitoring.models import Restatement

    Restatement.objects.create(
        service_id="payments",
        since=since,
        until=until,
        restated_as="down",
        reason="the checks were wrong",
        proposed_at=LATER,
        proposed_by=author,
        is_approved=True,
        decided_by=author,
        is_self_approved=True,
        decided_at=LATER,
    )
