"""Hourly counts are the raw checks, counted; twice is once."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection

from database import partitions
from monitoring.accounting import hourly
from monitoring.engine.recording import record
from monitoring.models import Hour, ServiceHour
from monitoring.probes.model import Phases
from monitoring.rules.histogram import merge, percentile, value_of
from monitoring.tests.factories import START, answered_500, make_result, make_service

pytestmark = pytest.mark.django_db

NOW = START + timedelta(hours=10, minutes=30)


@pytest.fixture(autouse=True)
def room() -> None:
    partitions.ensure("watch_server_logs", {(START + timedelta(days=n)).date() for n in range(-9, 2)})
    partitions.ensure("api_response_times", {(START + timedelta(days=n)).date() for n in range(-9, 2)})
    make_service()


def store(hours: float, verdict: str = "ok", response_ms: float = 40.5) -> None:
    phases = Phases(total_ms=response_ms)
    record([make_result(hours * 3600, verdict, phases=phases, requests=())], max(NOW, START + timedelta(hours=hours)))


def counts() -> list[tuple[int, int, int]]:
    return list(Hour.objects.order_by("hour_at").values_list("ok_count", "slow_count", "bad_count"))


def test_checks_are_counted_by_hour_and_verdict() -> None:
    for hours, verdict in [(8.1, "ok"), (8.9, "bad"), (9.0, "slow"), (9.999, "ok"), (10.1, "ok")]:
        store(hours, verdict)

    hourly.roll_up(NOW)

    assert counts() == [(1, 0, 1), (1, 1, 0), (1, 0, 0)]
    assert list(ServiceHour.objects.order_by("hour_at").values_list("service_id", "ok_count", "bad_count")) == [
        ("payments", 1, 1),
        ("payments", 1, 0),
        ("payments", 1, 0),
    ]


def test_response_times_of_answers_alone_are_counted() -> None:
    store(10.1, response_ms=100)
    store(10.2, "slow", response_ms=900)
    store(10.3, "bad", response_ms=5_000)
    record([answered_500(10.4 * 3600, 300)], NOW)

    hourly.roll_up(NOW)

    hour = Hour.objects.get()
    times = merge([(hour.histogram_buckets or (), hour.histogram_counts or ())])
    assert sum(times.values()) == 3
    assert percentile(times, 1.0) == pytest.approx(900, rel=0.01)
    assert list(ServiceHour.objects.values_list("answered_count", "response_ms_sum")) == [(3, 1_300)]


def test_twice_is_once_and_late_checks_are_counted_later() -> None:
    store(9.5)
    hourly.roll_up(NOW)
    hourly.roll_up(NOW + timedelta(minutes=1))
    assert counts() == [(1, 0, 0)]

    store(9.6, "bad")
    store(10.6)
    hourly.roll_up(NOW + timedelta(minutes=10))

    assert counts() == [(1, 0, 1), (1, 0, 0)]


def test_a_long_pause_is_caught_up_and_old_hours_go() -> None:
    store(-7 * 24)
    hourly.roll_up(NOW)
    assert counts() == [(1, 0, 0)]

    store(-5 * 24)
    store(24)
    hourly.roll_up(NOW + timedelta(days=2))

    assert [hour.hour_at for hour in Hour.objects.order_by("hour_at")] == [
        START - timedelta(days=5),
        START + timedelta(days=1),
    ]


def test_failures_of_our_own_network_are_left_out() -> None:
    store(10.1, "bad")
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE watch_server_logs SET metadata = '{"blind": "1.1.1.1"}'""")

    hourly.roll_up(NOW)

    assert counts() == []


def test_what_takes_long_is_done_rarely() -> None:
    store(10.1)
    hourly.roll_up(NOW)
    Hour.objects.update(took_ms=6_000)

    assert hourly.roll_up(NOW + timedelta(seconds=119)) == 0
    assert hourly.roll_up(NOW + timedelta(seconds=121)) > 0


def test_hours_of_an_older_release_keep_their_response_times() -> None:
    old = [0] * 64
    old[30], old[63] = 7, 2  # 181 to 215 ms, and 55 s or more
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE check_hours (response_buckets int[], histogram_buckets int[], histogram_counts int[])"
        )
        cursor.execute("INSERT INTO check_hours VALUES (%s), (%s)", [old, [0] * 64])

        cursor.execute(import_module("monitoring.migrations.0020_one_histogram").TO_ONE_HISTOGRAM)

        cursor.execute("SELECT histogram_buckets, histogram_counts FROM check_hours ORDER BY histogram_counts DESC")
        ((buckets, counts), nothing) = cursor.fetchall()
    assert (counts, nothing) == ([7, 2], ([], []))
    assert [value_of(bucket) for bucket in buckets] == pytest.approx([197, 60_097], rel=0.02)
