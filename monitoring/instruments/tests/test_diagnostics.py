from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from database import partitions, retention
from monitoring.engine import workers
from monitoring.instruments import diagnostics
from monitoring.models import DispatchWatermark, EngineWorker, RollupRequest
from monitoring.models.raw import RAW_TABLES
from monitoring.states import counters
from monitoring.tests.factories import make_service
from observability.diagnostics import Verdict

NOW = datetime(2025, 3, 10, 9, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)


def make_worker(role: str, region: str | None = None, seen_at: datetime = NOW, **facts: Any) -> EngineWorker:
    name = f"{role} {region}"
    return EngineWorker(name=name, role=role, region=region, started_at=seen_at, seen_at=seen_at, facts=facts or None)


@pytest.mark.django_db
def test_beat_is_judged_only_where_something_is_monitored() -> None:
    assert diagnostics.beat().verdict is Verdict.NOTE

    make_service()
    DispatchWatermark.objects.all().delete()
    assert diagnostics.beat().verdict is Verdict.BAD
    DispatchWatermark.objects.create(dispatched_until=timezone.now() + timedelta(seconds=1))
    assert diagnostics.beat().verdict is Verdict.GOOD


def test_a_silent_beat_is_bad_after_seconds() -> None:
    found = diagnostics.judge_beat(DispatchWatermark(dispatched_until=NOW - timedelta(seconds=40)), NOW)

    assert (found.verdict, "42 s" in found.says, "beat" in found.remedy) == (Verdict.BAD, True, True)


PROBE, ENGINE, DISPATCH = make_worker("probe", "seoul"), make_worker("engine"), make_worker("dispatch")
DEAD = make_worker("engine", seen_at=NOW - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        ([PROBE, ENGINE, DISPATCH], "good", "3 workers"),
        ([PROBE, ENGINE, DISPATCH, DEAD], "good", "3 workers"),
        ([PROBE, ENGINE], "bad", "No process is dedicated to dispatching"),
        ([ENGINE], "bad", "No probe worker runs in: seoul"),
        ([PROBE, DEAD], "bad", "No worker records"),
        ([], "bad", "No probe worker runs"),
    ],
)
def test_every_region_needs_somebody_who_probes_and_all_one_who_records_and_one_who_dispatches(
    found: Any, verdict: Any, words: Any
) -> None:
    judged = diagnostics.judge_workers(found, ["seoul"], NOW)

    assert (judged.verdict, words in judged.says) == (verdict, True), judged.says
    assert len(judged.table.rows) == len(found)


@pytest.mark.django_db
def test_a_stamp_brings_release_user_and_the_difference_of_clocks() -> None:
    stamp = {
        "name": "probe1",
        "role": "probe",
        "region": None,
        "started_at": NOW.isoformat(),
        "counters": {},
        "look": None,
        "facts": {"version": "0.1.0", "uid": 1000},
        "sent_at": (NOW - timedelta(seconds=3)).isoformat(),
        "clock_ahead_ms": -1200,
    }

    workers.keep(stamp, NOW)

    assert EngineWorker.objects.get().facts == {
        **{"version": "0.1.0", "uid": 1000},
        **{"behind_ms": 3000, "clock_ahead_ms": -1200},
    }
    del stamp["facts"], stamp["sent_at"], stamp["clock_ahead_ms"]  # of a release before this one
    workers.keep(stamp, NOW)
    assert EngineWorker.objects.get().facts == {"behind_ms": 0, "clock_ahead_ms": None}


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0.15, "good"), (-1.9, "good"), (2.5, "warning"), (60, "warning"), (-3600, "warning")]
)
def test_a_clock_may_be_off_by_two_seconds(ahead_s: Any, verdict: Any) -> None:
    found = diagnostics.judge_clocks({"probe1": timedelta(seconds=ahead_s)}, {"probe1": 0})

    assert found.verdict == verdict
    if verdict == "warning":
        assert f"probe1 ({ahead_s:+.1f} s)" in found.says


def test_a_late_stamp_is_reported_for_the_queue_and_not_for_the_clock() -> None:
    found = diagnostics.judge_clocks({"probe1": timedelta()}, {"probe1": 2_500})

    assert found.verdict == "warning"
    assert "probe1 (+2.5 s)" in found.says and "results" in found.remedy


@pytest.mark.django_db
def test_days_that_wait_to_be_accounted_are_noted() -> None:
    assert diagnostics.rollups().verdict is Verdict.GOOD

    make_service()
    RollupRequest.objects.create(date=TODAY, service_id="payments")
    RollupRequest.objects.create(date=TODAY - DAY, service_id="payments", not_before=timezone.now() + DAY)

    found = diagnostics.rollups()
    assert (found.verdict, "2025-03-10" in found.says) == (Verdict.NOTE, True)


def test_days_that_nobody_asked_for_are_bad() -> None:
    assert diagnostics.judge_rollups(waiting=0, oldest=None, is_planned=False).verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("days", "verdict"),
    [
        ({TODAY, TODAY + DAY}, "good"),
        ({TODAY - 9 * DAY, TODAY, TODAY + DAY}, "good"),
        ({TODAY}, "warning"),
        ({TODAY - DAY, TODAY + DAY}, "bad"),
        (set(), "bad"),
    ],
)
def test_partitions_are_needed_for_today_and_tomorrow(days: Any, verdict: Any) -> None:
    assert diagnostics.judge_partitions({"watch_server_logs": days}, TODAY).verdict == verdict


def test_days_without_a_partition_are_counted() -> None:
    found = diagnostics.judge_partitions({"watch_server_logs": {TODAY - 9 * DAY, TODAY, TODAY + DAY}}, TODAY)

    assert found.table.rows == [["watch_server_logs", "3", "2025-03-01", "2025-03-11", "8"]]


@pytest.mark.django_db
def test_partitions_and_retention_are_those_of_the_registered_tables() -> None:
    for table in RAW_TABLES:
        partitions.ensure_ahead(table, timezone.now())

    ahead, kept = diagnostics.days_ahead(), diagnostics.retained()

    assert (ahead.verdict, kept.verdict) == (Verdict.GOOD, Verdict.GOOD)
    assert [row[0] for row in ahead.table.rows] == list(RAW_TABLES)
    assert [row[0] for row in kept.table.rows] == [table.name for table in retention.registered()]


@pytest.mark.django_db
def test_an_old_day_that_is_not_accounted_is_held_with_a_remedy() -> None:
    service = make_service()
    old = timezone.now() - 200 * DAY
    type(service).objects.update(created_at=old - DAY)
    partitions.ensure("watch_server_logs", {old.date()})

    found = diagnostics.retained()

    assert (found.verdict, f"--from {old.date()}" in found.remedy) == (Verdict.WARNING, True)


@pytest.mark.parametrize(
    ("oldest", "held", "verdict", "words"),
    [
        ([], [], "good", "No data is kept longer"),
        ([TODAY - 91 * DAY], [], "good", "No data is kept longer"),
        ([TODAY - 93 * DAY], [], "warning", "not dropped: t"),
        ([TODAY - 91 * DAY], [TODAY - 91 * DAY], "warning", "1 old days are kept"),
    ],
)
def test_retention_has_two_nights_grace(oldest: list[date], held: list[date], verdict: Any, words: Any) -> None:
    found = diagnostics.judge_retention({"t": 90}, {"t": oldest}, {"t": held}, {"t": TODAY - 95 * DAY}, NOW)

    assert (found.verdict, words in found.says) == (verdict, True), found.says
    assert found.table.rows == [["t", "90", str(len(oldest)), str(len(held)), "2024-12-05"]]


@pytest.mark.django_db
def test_figures_that_differed_lately_are_a_finding_with_a_remedy() -> None:
    assert diagnostics.figures().verdict is Verdict.GOOD

    counters.add("runs_differed", 1)

    found = diagnostics.figures()
    assert found.verdict is Verdict.WARNING
    assert "did not match the raw checks" in found.says
    assert "manage.py rollup --audit" in found.remedy
