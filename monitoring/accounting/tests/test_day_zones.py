"""Stored days say their time zone; in another one they are not shown, and accounted again before anything goes on."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from database import retention as database_retention
from database.models import DroppedPartition
from monitoring.accounting import (
    day_work,
    day_zones,
    ledger,
    percentiles,
    retention,
    rollup,
    rollup_requests,
    stored_days,
    time_range,
)
from monitoring.accounting.today import refresh_today
from monitoring.checks.compressed import moving
from monitoring.checks.compressed.kinds import KINDS
from monitoring.engine import recording
from monitoring.instruments import diagnostics
from monitoring.models import ApiCallLog, RollupRequest, RollupWatermark, Service, UptimeRecord, WatchServerLog
from monitoring.models.raw import RAW_TABLES
from monitoring.rules.calendar_days import bounds, day_of
from monitoring.rules.sla import Kind
from monitoring.tests.factories import START, make_result, make_service
from observability.diagnostics import Verdict

pytestmark = pytest.mark.django_db

SEOUL, LIMA, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("America/Lima"), ZoneInfo("Europe/Berlin")
NOW = START + timedelta(days=4, hours=1)  # a new day in UTC and Seoul, and not yet in Lima
FIGURES = [f"{kind}_s" for kind in Kind]
COUNTS = ["total_checks", "failed_checks", "avg_response_time"]


@pytest.fixture
def service() -> Service:
    """Four days of checks with an outage each evening, accounted in UTC as the engine does."""
    service = make_service(check_interval=600_000)
    Service.objects.update(created_at=START)
    batch = [
        make_result(at, "bad" if at % 86_400 >= 20 * 3600 else "ok", interval_ms=600_000)
        for at in range(0, 4 * 86_400 + 3000, 600)
    ]
    recording.record(batch, NOW)
    RollupRequest.objects.all().delete()
    RollupWatermark.objects.create(planned_until=date(2025, 3, 13))
    for number in range(5):
        rollup.roll_up(START.date() + timedelta(days=number), [service.id], NOW, UTC)
    service.refresh_from_db()
    return service


def command(*options: str, now: datetime = NOW) -> str:
    told = StringIO()
    with time_machine.travel(now, tick=False):
        call_command("rollup", *options, stdout=told)
    return told.getvalue()


def rows(*fields: str) -> list[tuple]:
    return list(UptimeRecord.objects.order_by("date").values_list("date", *fields))


def from_the_start(zone: ZoneInfo, *fields: str) -> list[tuple]:
    """Return the rows as they would be had the zone always been this one."""
    UptimeRecord.objects.all().delete()
    ApiCallLog.objects.all().delete()
    day, last = day_of(START, zone), day_of(NOW, zone)
    while day <= last:
        rollup.roll_up(day, ["payments"], NOW, zone)
        day += timedelta(days=1)
    return rows(*fields)


def test_rows_say_the_zone_in_which_they_were_accounted(service: Any) -> None:
    assert set(UptimeRecord.objects.values_list("time_zone", "counts_time_zone")) == {("UTC", "UTC")}
    assert set(ApiCallLog.objects.values_list("time_zone", "counts_time_zone")) == {("UTC", "UTC")}

    rollup.roll_up(START.date(), [service.id], NOW, SEOUL)

    assert (rows("time_zone")[0], rows("counts_time_zone")[0]) == ((START.date(), "Asia/Seoul"),) * 2


@pytest.mark.parametrize("zone", [SEOUL, LIMA, BERLIN, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Honolulu")])
def test_rezoned_days_are_what_they_would_be_had_the_zone_always_been_this_one(
    service: Any, settings: Settings, zone: Any
) -> None:
    settings.PAGE_TIME_ZONE = zone

    command("--rezone")
    while rollup.work_off(NOW, zone):
        pass  # the day in which the service was made, where UTC had none

    fields = ["time_zone", "counts_time_zone", "is_settled", "uptime_percentage", *FIGURES, *COUNTS]
    found = rows(*fields)
    assert found == from_the_start(zone, *fields)
    days = ledger.read(service, bounds(found[0][0], zone)[0], NOW, NOW, zone).official.days
    assert [(day.date, day.seconds[Kind.DOWN]) for day in days] == rows("down_s"), "page and ledger agree"


def test_rezoning_is_done_once_and_goes_on_where_it_was_interrupted(service: Any, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = SEOUL
    day_zones.prepare(NOW, SEOUL)
    for _done in day_zones.rezone(START.date(), NOW, SEOUL):
        pass
    assert len(day_zones.dates(NOW, SEOUL)) == 4, "killed here"

    assert command("--rezone").startswith("4 days, 4 rows, were accounted in Asia/Seoul instead of UTC")
    before = rows(*FIGURES, "updated_at")
    assert command("--rezone") == "All stored days are days of Asia/Seoul. Nothing to do.\n"
    assert rows(*FIGURES, "updated_at") == before


def test_a_dry_run_shows_what_would_change_and_changes_nothing(service: Any, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = SEOUL
    before = rows(*FIGURES, "time_zone", "updated_at"), list(RollupWatermark.objects.values())

    told = command("--rezone", "--dry-run")

    assert "2025-03-10 payments: Major outage 83.33 % → Operational 100.00 %" in told
    assert "5 days, 5 rows, would be accounted in Asia/Seoul instead of UTC" in told
    assert (rows(*FIGURES, "time_zone", "updated_at"), list(RollupWatermark.objects.values())) == before


def test_the_plan_goes_on_with_the_days_of_the_new_calendar(service: Any, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = LIMA
    RollupRequest.objects.create(date=date(2025, 3, 13), service=service)

    command("--rezone")

    assert RollupWatermark.objects.get().planned_until == date(2025, 3, 12), "the 13th is today in Lima"
    assert not RollupRequest.objects.filter(date__gt=date(2025, 3, 12)).exists()
    assert rows("is_settled")[-1] == (date(2025, 3, 13), False), "the 14th has not begun"
    later = NOW + timedelta(hours=6)
    assert rollup_requests.plan(later, LIMA) == 1, "and is planned when it is over"


def test_compressed_days_are_counted_again_and_compressed_again(transactional_db: None, settings: Settings) -> None:
    settings.COMPRESS_AFTER_DAYS = 1
    make_service(check_interval=600_000)
    Service.objects.update(created_at=START)
    recording.record([make_result(at, interval_ms=600_000) for at in range(0, 4 * 86_400, 600)], NOW)
    for number in range(5):
        rollup.roll_up(START.date() + timedelta(days=number), ["payments"], NOW, UTC)
    RollupRequest.objects.all().delete()
    for number in range(2):
        assert moving.compress_day(START.date() + timedelta(days=number), float("inf"))
    settings.PAGE_TIME_ZONE = SEOUL

    command("--rezone")

    assert [total for _day, total in rows("total_checks")] == [90, 144, 144, 144, 54]
    assert WatchServerLog.objects.filter(checked_at__lt=START + timedelta(days=1)).count() == 0, "compressed again"
    for kind in KINDS:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {kind.compressed}")


def test_counts_of_days_whose_checks_are_gone_stay_those_of_the_other_zone(service: Any, settings: Settings) -> None:
    for table in RAW_TABLES:
        DroppedPartition.objects.create(table_name=table, day=START.date(), size_bytes=1, dropped_at=NOW)
    WatchServerLog.objects.filter(checked_at__lt=START + timedelta(days=1)).delete()
    settings.PAGE_TIME_ZONE = SEOUL
    before = rows(*COUNTS)

    told = command("--rezone")

    assert "Of 2 days (2025-03-10 to 2025-03-11) raw checks are gone. Their time is accounted in Asia/Seoul." in told
    assert rows("counts_time_zone") == [
        (START.date() + timedelta(days=n), "UTC" if n < 2 else "Asia/Seoul") for n in range(5)
    ]
    assert {zone for _day, zone in rows("time_zone")} == {"Asia/Seoul"}
    assert rows(*COUNTS)[:2] == before[:2]
    window = time_range.asked_for({"from": "2025-03-10", "to": "2025-03-11"}, NOW, SEOUL)
    found = percentiles.read(service, window, NOW, SEOUL)
    assert not found.is_complete, "a histogram of another day is no part of the answer"


def test_sample_days_are_only_relabelled(settings: Settings) -> None:
    make_service()
    day = UptimeRecord.objects.create(
        service_id="payments", date=START.date(), status="o", metadata={"sample": True}, operational_s=86_400
    )
    settings.PAGE_TIME_ZONE = SEOUL

    assert "1 sample days were relabelled" in command("--rezone")

    day.refresh_from_db()
    assert (day.time_zone, day.operational_s, day.metadata) == ("Asia/Seoul", 86_400, {"sample": True})


def test_days_of_another_zone_are_read_by_nobody(service: Any, settings: Settings) -> None:
    days = (START.date(), START.date() + timedelta(days=4))
    assert stored_days.recent([service.id], *days, UTC) and stored_days.figures([service.id], *days, UTC)
    assert retention.unaccounted(START.date()) == 0

    settings.PAGE_TIME_ZONE = LIMA

    assert stored_days.recent([service.id], *days, LIMA) == {} == stored_days.figures([service.id], *days, LIMA)
    assert retention.unaccounted(START.date()) > 0, "raw rows wait for the days of the new calendar"
    assert {table.name for table in database_retention.registered() if table.unfinished(START.date())} >= {*RAW_TABLES}


def test_nothing_accounts_days_and_the_doctor_says_so_until_they_are_rezoned(service: Any, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = SEOUL

    with pytest.raises(day_zones.OtherZone, match=r"PAGE_TIME_ZONE: it is Asia/Seoul.*\(UTC\).*rollup --rezone"):
        day_work.account(0.0)
    with pytest.raises(day_zones.OtherZone):
        day_work.keep_today(0.0)
    with pytest.raises(CommandError, match="rollup --rezone"):
        command("--from", "2025-03-10")
    assert diagnostics.rollups().verdict is Verdict.BAD

    command("--rezone")

    day_zones.require(SEOUL)
    assert "time zone" not in diagnostics.rollups().says


def test_a_name_with_the_same_rules_changes_nothing_but_the_name(service: Any, settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = ZoneInfo("Etc/UTC")
    before = rows(*FIGURES, *COUNTS)

    assert "; 0 figures changed" in command("--rezone")
    assert rows(*FIGURES, *COUNTS) == before


@pytest.mark.parametrize("option", ["--from=2025-03-10", "--service=payments", "--recount"])
def test_rezoning_takes_all_days_of_all_services(service: Any, option: Any) -> None:
    with pytest.raises(CommandError, match="covers all days of all services"):
        command("--rezone", option)


def test_somebody_who_goes_on_in_the_old_zone_is_noticed(
    service: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PAGE_TIME_ZONE = SEOUL
    request_missing = day_zones.request_missing

    def with_an_old_engine(*arguments: Any) -> int:
        refresh_today(NOW, UTC)
        return request_missing(*arguments)

    monkeypatch.setattr(day_zones, "request_missing", with_an_old_engine)

    with pytest.raises(CommandError, match="Another process still stores days of UTC"):
        command("--rezone")


def test_the_start_looks_at_no_row() -> None:
    """Two look-ups in an index, however many days are stored."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT min(time_zone), max(time_zone) FROM uptime_records")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("Index Only Scan") == 2 and "Seq Scan" not in plan
