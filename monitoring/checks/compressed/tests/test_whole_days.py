"""Whole days, with transactions of their own, as they are compressed at night and their partitions dropped."""

import threading
import time
from datetime import UTC, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from database import partitions
from monitoring.accounting import compressing, rollup
from monitoring.checks.compressed import moving
from monitoring.checks.compressed.kinds import CHECKS, REQUESTS
from monitoring.checks.compressed.tests.past import A_DAY, DAY, LATER, listed, make_past
from monitoring.engine import recording
from monitoring.models import CompressedChecks, RollupRequest, Service, WatchServerLog
from monitoring.tests.factories import make_result, make_service

pytestmark = pytest.mark.django_db(transaction=True)
ENOUGH = float("inf")


@pytest.fixture
def past() -> Service:
    return make_past()


def test_the_space_of_a_compressed_day_comes_back(past: Any) -> None:
    before = listed()
    rollup.roll_up(DAY, ["payments"], LATER, UTC)

    assert moving.compress_day(DAY, ENOUGH)

    assert DAY not in partitions.existing(CHECKS.raw) | partitions.existing(REQUESTS.raw)
    assert listed() == before
    assert moving.compress_day(DAY, ENOUGH), "again, there is nothing to do"


def test_a_late_result_makes_the_dropped_partition_again(past: Any) -> None:
    assert moving.compress_day(DAY, ENOUGH)

    recorded = recording.record([make_result(300), make_result(450)], LATER)

    assert (recorded.stored, recorded.duplicates) == (1, 1)
    assert len(listed()) == 12 + 2 * 288 + 1
    assert moving.compress_day(DAY, ENOUGH)
    assert CompressedChecks.objects.get(day=DAY).row_count == 289


def test_a_day_waits_until_it_is_accounted(past: Any) -> None:
    assert DAY not in compressing.compress_due(LATER, UTC, ENOUGH)

    for day in range(-1, 3):
        rollup.roll_up(DAY + timedelta(days=day), ["payments"], LATER, UTC)
    RollupRequest.objects.all().delete()

    assert DAY in compressing.compress_due(LATER, UTC, ENOUGH)


def test_what_is_made_raw_again_stays_so_until_the_next_night(past: Any) -> None:
    for day in range(-1, 13):  # of other tests, too, there may be partitions
        rollup.roll_up(DAY + timedelta(days=day), ["payments"], LATER, UTC)
    RollupRequest.objects.all().delete()
    assert DAY in compressing.compress_due(LATER, UTC, ENOUGH)

    call_command("decompress", "payments", "--from", str(DAY), stdout=StringIO())

    assert compressing.compress_due(LATER + timedelta(minutes=1), UTC, ENOUGH) == []
    assert WatchServerLog.objects.filter(checked_at__date=DAY).count() == 288
    assert DAY in compressing.compress_due(LATER + timedelta(days=1), UTC, ENOUGH)


def test_a_day_that_somebody_reads_keeps_its_partition_until_the_next_time(
    past: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "ATTEMPTS", 1)
    reads, may_end = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            WatchServerLog.objects.count()
            reads.set()
            may_end.wait(60)
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    reads.wait(60)
    try:
        assert not moving.compress_day(DAY, ENOUGH)
        assert DAY in partitions.existing(CHECKS.raw)
    finally:
        may_end.set()
        reader.join()
    assert moving.compress_day(DAY, ENOUGH)


def test_two_that_compress_at_once_lose_and_double_nothing(past: Any) -> None:
    make_service("search", check_interval=300_000)
    recording.record([make_result(s, service_id="search") for s in range(0, A_DAY, 300)], LATER)
    before = listed()
    partitions.ensure(CHECKS.compressed, {DAY})
    meet = threading.Barrier(2)

    def compress_both(order: list[str]) -> None:
        meet.wait(60)
        for service_id in order:
            moving.compress(CHECKS, DAY, [service_id])
        connection.close()

    both = [threading.Thread(target=compress_both, args=[order]) for order in (["payments", "search"],) * 2]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    assert listed() == before
    assert sorted(CompressedChecks.objects.values_list("service_id", "row_count")) == [
        ("payments", 288),
        ("search", 288),
    ]


def test_no_time_left_means_later(past: Any) -> None:
    assert not moving.compress_day(DAY, time.monotonic())
    assert WatchServerLog.objects.filter(checked_at__date=DAY).count() == 288
