"""Days move between raw and compressed, and nobody who reads them can tell."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from accounts.tests.cast import Person
from database import partitions, retention
from monitoring.accounting import compressing, rollup
from monitoring.checks import check_search
from monitoring.checks.check_search import Key, Wanted
from monitoring.checks.compressed import moving, reading
from monitoring.checks.compressed.kinds import CHECKS, KINDS, REQUESTS
from monitoring.checks.compressed.tests.past import A_DAY, DAY, LATER, columns, hops, listed, make_past
from monitoring.engine import recording
from monitoring.models import (
    ApiCallLog,
    ApiResponseTime,
    CheckRun,
    CompressedChecks,
    CompressedRequests,
    RollupRequest,
    Service,
    ServiceState,
    UptimeRecord,
    WatchServerLog,
)
from monitoring.probes.model import Phases
from monitoring.tests.factories import START, START_MS, make_result

pytestmark = pytest.mark.django_db


@pytest.fixture
def past() -> Service:
    return make_past()


def compress(day: date = DAY, *ids: str) -> None:
    for kind in KINDS:
        partitions.ensure(kind.compressed, {day})
        moving.compress(kind, day, ids or ["payments"])


def figures() -> tuple[Any, ...]:
    """Return the rows that the roll-up of the day stores, without the times of storing."""
    records = UptimeRecord.objects.filter(date=DAY), ApiCallLog.objects.filter(date=DAY)
    stored = [columns(row) for rows in records for row in rows]
    return tuple({name: value for name, value in row.items() if not name.endswith("ed_at")} for row in stored)


def runs() -> list[tuple[Any, ...]]:
    state = ServiceState.objects.get()
    closed = CheckRun.objects.order_by("first_at").values_list("verdict", "first_at", "last_at", "check_count")
    return [*closed, (state.verdict, state.run_first_at, state.run_last_at, state.run_count)]


def test_every_column_of_the_raw_tables_is_compressed() -> None:
    for kind, model in ((CHECKS, WatchServerLog), (REQUESTS, ApiResponseTime)):
        known = {"service_id", "region", "is_healthy", *kind.columns}
        assert {field.attname for field in model._meta.concrete_fields} - known == set()


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"service_id": "payments"},
        {"verdict": "bad"},
        {"service_id": "payments", "verdict": "slow"},
        {"error_type": "connection_error"},
        {"region": "default"},
        {"region": "elsewhere"},
    ],
)
def test_compressed_checks_are_listed_as_before(past: Any, wanted: Any) -> None:
    before = listed(**wanted)

    compress()

    assert listed(**wanted) == before
    assert not WatchServerLog.objects.filter(checked_at__date=DAY).exists()
    assert CompressedChecks.objects.get().row_count == 288


def test_pages_lead_back_over_compressed_days(past: Any) -> None:
    compress()
    wanted = Wanted(since=START, until=START + timedelta(days=2), service_id="payments")
    first = check_search.read(wanted, rows=100)
    second = check_search.read(wanted, after=first.older, rows=100)
    third = check_search.read(wanted, after=second.older, rows=100)

    back = check_search.read(wanted, before=third.newer, rows=100)

    assert [str(Key.of(check)) for check in back.checks] == [str(Key.of(check)) for check in second.checks]


def test_one_compressed_check_is_shown_with_its_requests(past: Any, viewer: Person) -> None:
    key = f"{START_MS}.payments.default"
    before = viewer.client.get(f"/admin/checks/{key}/").content

    compress()

    after = viewer.client.get(f"/admin/checks/{key}/").content
    assert b"/moved" in after and after.count(b"<tr") == before.count(b"<tr")
    assert viewer.client.get(f"/admin/checks/{START_MS + 1}.payments.default/").status_code == 404


def test_compressed_requests_come_back_whole(past: Any) -> None:
    before = [columns(row) for row in ApiResponseTime.objects.order_by("measured_at", "hop")]

    compress()
    with transaction.atomic():
        for kind in KINDS:
            moving.decompress(kind, [DAY], ["payments"])

    assert [columns(row) for row in ApiResponseTime.objects.order_by("measured_at", "hop")] == before
    assert not CompressedRequests.objects.exists()


def test_a_page_that_would_open_too_many_checks_is_refused(past: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compress()
    monkeypatch.setattr(reading, "MOST_CHECKS", 287)

    with pytest.raises(reading.TooMuch):
        listed(verdict="bad")


def test_figures_percentiles_and_audit_are_the_same_before_and_after(past: Any) -> None:
    rollup.roll_up(DAY, ["payments"], LATER, UTC)
    before, runs_before = figures(), runs()

    compress()
    rollup.roll_up(DAY, ["payments"], LATER, UTC)
    assert figures() == before
    assert CompressedChecks.objects.count() == 1, "what was counted stands, so nothing was decompressed"

    rollup.roll_up(DAY, ["payments"], LATER, UTC, recounts=True)
    assert figures() == before
    assert runs() == runs_before
    assert CompressedChecks.objects.count() == 0


def test_a_compressed_day_without_figures_is_counted(past: Any) -> None:
    rollup.roll_up(DAY, ["payments"], LATER, UTC)
    before = figures()
    compress()
    UptimeRecord.objects.all().delete()
    ApiCallLog.objects.all().delete()

    rollup.roll_up(DAY, ["payments"], LATER, UTC)

    assert figures() == before


def test_compressing_again_finds_nothing_and_changes_nothing(past: Any) -> None:
    compress()
    content = bytes(CompressedChecks.objects.get().content)

    assert moving.compress(CHECKS, DAY, ["payments"]) == 0
    assert bytes(CompressedChecks.objects.get().content) == content


def test_a_crash_in_the_middle_leaves_all_as_it_was(past: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = listed()
    monkeypatch.setattr(moving, "copy_rows", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        compress()

    assert listed() == before
    assert WatchServerLog.objects.filter(checked_at__date=DAY).count() == 288


def test_a_result_for_a_compressed_day_is_neither_doubled_nor_lost(past: Any) -> None:
    compress()
    known, new = make_result(300, interval_ms=300_000), make_result(450, "bad", interval_ms=300_000)

    recorded = recording.record([known, new], LATER)

    assert (recorded.stored, recorded.duplicates) == (1, 1)
    assert len(listed()) == 12 + 2 * 288 + 1
    assert RollupRequest.objects.filter(date=DAY).exists(), "its figures are made again"
    compress()
    assert CompressedChecks.objects.get().row_count == 289


def test_a_late_result_leaves_the_same_runs_whether_its_day_is_compressed_or_not(past: Any) -> None:
    late = make_result(450, "bad", interval_ms=300_000)
    with transaction.atomic():
        recording.record([late], LATER)
        expected = runs()
        transaction.set_rollback(True)
    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
        compress(day)

    recording.record([late], LATER)

    assert runs() == expected


def test_a_request_that_began_the_next_day_is_compressed_there(past: Any) -> None:
    slow = hops(A_DAY + 1, Phases(total_ms=5))
    recording.record([make_result(A_DAY - 1, requests=slow)], LATER)

    compress(DAY + timedelta(days=1))

    assert ApiResponseTime.objects.filter(measured_at__gte=START + timedelta(days=1)).count() == 0
    with transaction.atomic():
        moving.decompress(REQUESTS, [DAY + timedelta(days=1)], ["payments"])
    assert ApiResponseTime.objects.filter(measured_at=START + timedelta(days=1, seconds=1)).count() == 1


def test_decompress_command_brings_a_day_back(past: Any) -> None:
    compress()
    out = StringIO()

    call_command("decompress", "payments", "--from", str(DAY), stdout=out)

    assert out.getvalue() == f"{DAY}: 288 checks and 384 requests are raw\n"
    assert WatchServerLog.objects.filter(checked_at__date=DAY).count() == 288


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paymnts", "--from", "2025-03-10"], "Did you mean payments"),
        (["payments", "--from", "2025-03-10", "--to", "2025-03-09"], "Swap them"),
    ],
)
def test_decompress_command_refuses_nonsense(past: Any, arguments: Any, message: Any) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("decompress", *arguments)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2025, 3, 18, 2, 59, tzinfo=UTC), []),
        (datetime(2025, 3, 18, 3, 0, tzinfo=UTC), [DAY]),
        (datetime(2025, 3, 19, 2, 0, tzinfo=UTC), [DAY]),
        (datetime(2025, 5, 1, 12, 0, tzinfo=UTC), [DAY, DAY + timedelta(days=1)]),
    ],
)
def test_a_day_is_due_the_night_after_it_is_a_week_old(now: Any, expected: Any) -> None:
    mine = {DAY, DAY + timedelta(days=1)}
    partitions.ensure(CHECKS.raw, mine)

    assert [day for day in compressing.due(now, UTC) if day in mine] == expected


def test_compressed_days_are_kept_as_long_as_raw_ones(settings: Settings) -> None:
    settings.KEEP_CHECKS_DAYS, settings.KEEP_RESPONSE_TIMES_DAYS = 50, 40

    kept = {table.name: table.keep_days() for table in retention.registered()}

    assert (kept["folded_checks"], kept["folded_requests"]) == (50, 40)
