from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from monitoring.engine.dispatch import dispatch_due, note_stop, ranges
from monitoring.models import DispatchWatermark, ServiceState
from monitoring.models.engine import LEAD
from monitoring.tests.factories import make_service

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Queue:
    """Keep what was published."""

    def __init__(self) -> None:
        self.batches: list[Any] = []

    def __call__(self, region: Any, specs: Any) -> None:
        self.batches.append((region, list(specs)))

    @property
    def slots(self) -> Any:
        return Counter((spec.service_id, spec.region, spec.due_at_ms) for _, specs in self.batches for spec in specs)


@given(
    interval_ms=st.integers(1000, 100_000),
    phase=st.integers(0, 10**9),
    since=st.integers(10**12, 10**12 + 10**6),
    length=st.integers(0, 5000),
)
def test_ranges_hold_exactly_the_slots_of_the_window(interval_ms: Any, phase: Any, since: Any, length: Any) -> None:
    phase %= interval_ms
    expected = [slot for slot in range(since, since + length) if (slot - phase) % interval_ms == 0]

    found = [base + phase for start, end, base in ranges(interval_ms, since, since + length) if start <= phase < end]

    assert found == expected


@pytest.mark.django_db
def test_ticks_hand_out_every_slot_once_whatever_their_rhythm() -> None:
    for number, interval in enumerate((1000, 1000, 5000, 7000, 60_000)):
        make_service(f"service-{number}", check_interval=interval)
    queue = Queue()
    dispatch_due(NOW, queue)

    for milliseconds in (900, 1000, 1000, 3100, 3110, 4999, 6000):
        dispatch_due(NOW + timedelta(milliseconds=milliseconds), queue)

    # 8 seconds are handed out in all: from NOW to the last tick and LEAD.
    assert set(queue.slots.values()) == {1}
    of_each = Counter(service_id for service_id, _, _ in queue.slots)
    assert (of_each["service-0"], of_each["service-1"]) == (8, 8)
    assert of_each["service-2"] in (1, 2)


@pytest.mark.django_db
def test_two_beats_hand_out_nothing_twice() -> None:
    make_service(check_interval=1000)
    queue = Queue()

    first, second = dispatch_due(NOW, queue), dispatch_due(NOW, queue)

    assert first.dispatched == LEAD / SECOND
    assert second is None


@pytest.mark.django_db
def test_slots_missed_in_a_pause_are_counted_and_not_made_up() -> None:
    make_service(check_interval=1000)
    queue = Queue()
    dispatch_due(NOW, queue)

    tick = dispatch_due(NOW + 62 * SECOND, queue)

    # Handed out before: up to +2 s. Looked back to: +60 s. In between lie 58 slots.
    assert (tick.skipped, tick.dispatched) == (58, 4)
    assert DispatchWatermark.objects.get().skipped_slots == 58


@pytest.mark.django_db
def test_only_a_pause_that_nobody_asked_for_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    make_service(check_interval=1000)
    dispatch_due(NOW, Queue())
    note_stop(NOW)

    with caplog.at_level("INFO", logger="monitoring.engine.dispatch"):
        planned = dispatch_due(NOW + 62 * SECOND, Queue())
        failed = dispatch_due(NOW + 124 * SECOND, Queue())

    assert (planned.skipped, failed.skipped) == (58, 58)
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]


@pytest.mark.django_db
def test_a_clock_set_back_does_not_stop_the_engine() -> None:
    make_service(check_interval=1000)
    dispatch_due(NOW, Queue())

    tick = dispatch_due(NOW - timedelta(hours=1), Queue())

    assert (tick.dispatched, tick.skipped) == (2, 0)


@pytest.mark.django_db
def test_a_recheck_is_taken_once_and_cleared() -> None:
    service = make_service(check_interval=86_400_000)
    ServiceState.objects.create(service=service, recheck_at=NOW + SECOND)
    queue = Queue()

    dispatch_due(NOW, queue)
    dispatch_due(NOW + SECOND, queue)

    assert list(queue.slots) == [("payments", "default", int((NOW + SECOND).timestamp() * 1000))]
    assert ServiceState.objects.get().recheck_at is None


@pytest.mark.django_db(transaction=True)
def test_a_tick_that_comes_second_leaves_the_rechecks_to_the_first() -> None:
    service = make_service(check_interval=86_400_000)
    ServiceState.objects.create(service=service, recheck_at=NOW + SECOND)
    dispatch_due(NOW - 60 * SECOND, Queue())
    queue = Queue()

    def be_quicker(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        if 'UPDATE "dispatch_watermark"' in sql:  # another beat, while this one has the re-check in its hands
            with ThreadPoolExecutor(1) as pool:
                pool.submit(move_watermark).result()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(be_quicker):
        assert dispatch_due(NOW, queue) is None

    assert queue.batches == []
    assert ServiceState.objects.get().recheck_at == NOW + SECOND


def move_watermark() -> None:
    DispatchWatermark.objects.update(dispatched_until=NOW + SECOND / 2)
    connection.close()


@pytest.mark.django_db
def test_a_recheck_that_is_overdue_becomes_a_slot_of_the_window() -> None:
    service = make_service(check_interval=86_400_000)
    ServiceState.objects.create(service=service, recheck_at=NOW - 30 * SECOND)
    queue = Queue()

    dispatch_due(NOW, queue)

    assert [due for _, _, due in queue.slots] == [int(NOW.timestamp() * 1000)]


@pytest.mark.django_db
def test_inactive_and_archived_services_are_left_alone() -> None:
    make_service("inactive", check_interval=1000, is_active=False)
    make_service("archived", check_interval=1000, archived_at=NOW)

    assert dispatch_due(NOW, Queue()).dispatched == 0


@pytest.mark.django_db
def test_a_batch_has_one_region_and_at_most_a_hundred_specs(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(120):
        make_service(f"service-{number}", check_interval=1000, regions=["seoul", "tokyo"])
    dispatch_due(NOW, Queue())
    queue = Queue()

    with django_assert_num_queries(7):  # watermark read and moved, three searches; a savepoint and its end
        dispatch_due(NOW + SECOND, queue)

    assert [(region, len(specs)) for region, specs in queue.batches] == [
        ("seoul", 100),
        ("seoul", 20),
        ("tokyo", 100),
        ("tokyo", 20),
    ]
