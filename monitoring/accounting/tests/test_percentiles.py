"""Response times of any window: whole days from their histograms, the rest from raw requests, one sum."""

from collections import Counter
from datetime import UTC, timedelta
from math import ceil
from typing import Any

import pytest
import time_machine
from pytest_django import Settings

from accounts.tests.cast import Person
from database import partitions
from monitoring.accounting import percentiles, rollup, time_range
from monitoring.api.tests.api_client import Program
from monitoring.checks.compressed.kinds import REQUESTS
from monitoring.checks.compressed.moving import compress
from monitoring.engine import recording
from monitoring.models import ApiCallLog, ApiResponseTime, Service
from monitoring.probes.model import MeasuredRequest, Phases
from monitoring.rules.histogram import value_of
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db
DAY_S = 86_400
NOW = START + timedelta(days=2, hours=12)


def make_check(second: int, milliseconds: float, *, is_final: bool = True) -> Any:
    phases = Phases(total_ms=milliseconds)
    result = make_result(second, phases=phases)
    request = MeasuredRequest(
        started_at_ms=result.checked_at_ms, url="http://payments.example/", method="GET", status_code=200,
        error_message=None, phases=phases,
    )  # fmt: skip
    return make_result(second, phases=phases, requests=(request,) if is_final else (request, request))


@pytest.fixture
def times() -> list[float]:
    """Three days of response times, another one for each quarter of an hour, of which the first two are rolled up."""
    service = make_service(check_interval=900_000)
    Service.objects.update(created_at=START - timedelta(days=1))
    found = [float(10 + (number * 37) % 500) for number in range(0, 60 * 4)]
    batch = [make_check(900 * number, ms) for number, ms in enumerate(found)]
    recording.record(batch, NOW)
    for day in range(2):
        rollup.roll_up((START + timedelta(days=day)).date(), [service.id], NOW, UTC)
    return found


def read(**window: str) -> percentiles.ResponseTimes:
    asked = time_range.asked_for({"from": "", "to": "", **window}, NOW, UTC)
    return percentiles.read(Service.objects.get(), asked, NOW, UTC)


def exact(times: list[float], percent: float) -> float:
    return sorted(times)[max(0, ceil(len(times) * percent / 100) - 1)]


@pytest.mark.parametrize("percent", [1, 25, 50, 95, 99, 99.9, 100])
@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ({"from": "2025-03-10", "to": "2025-03-10"}, 0, 96),
        ({"from": "2025-03-10", "to": "2025-03-11"}, 0, 192),
        ({"from": "2025-03-12", "to": "2025-03-12"}, 192, 240),
        ({}, 0, 240),
        ({"from": "2025-03-10T06:00:00Z", "to": "2025-03-11T18:00:00Z"}, 24, 168),
        ({"from": "2025-03-10T06:00:00Z", "to": "2025-03-10T07:00:00Z"}, 24, 28),
        ({"from": "2025-03-10T23:45:00Z", "to": "2025-03-12T00:15:00Z"}, 95, 193),
    ],
)
def test_percentiles_of_any_window_are_within_one_percent(
    times: Any, window: Any, first: Any, last: Any, percent: Any
) -> None:
    found = read(**window)

    assert found.count == last - first
    assert found.percentile(percent) == pytest.approx(exact(times[first:last], percent), rel=0.0101)


@pytest.mark.parametrize(("percent", "count"), [(99.9, 1000), (7, 100), (55, 180)])
def test_the_rank_is_not_one_too_high_where_floats_are(percent: Any, count: Any) -> None:
    rank = round(count * percent / 100)
    found = percentiles.ResponseTimes(counts=Counter({1: rank, 500: count - rank}), is_complete=True)

    assert found.percentile(percent) == value_of(1)


def test_whole_days_need_no_raw_requests(times: Any) -> None:
    before = read(**{"from": "2025-03-10", "to": "2025-03-11"})
    ApiResponseTime.objects.all().delete()

    assert read(**{"from": "2025-03-10", "to": "2025-03-11"}) == before


def test_a_day_that_is_not_rolled_up_yet_is_read_raw(times: Any) -> None:
    before = read()
    ApiCallLog.objects.all().delete()

    assert read() == before


def test_days_that_are_kept_in_few_bytes_count_the_same(times: Any) -> None:
    window = {"from": "2025-03-10T06:00:00Z", "to": "2025-03-11T18:00:00Z"}
    before = read(**window)

    partitions.ensure(REQUESTS.compressed, {START.date(), (START + timedelta(days=1)).date()})
    for day in range(2):
        assert compress(REQUESTS, (START + timedelta(days=day)).date(), ["payments"]) == 96

    assert ApiResponseTime.objects.count() == 48
    assert read(**window) == before


def test_a_window_without_requests_has_no_percentile(times: Any) -> None:
    found = read(**{"from": "2025-03-08", "to": "2025-03-08"})

    assert (found.count, found.percentile(50), found.is_complete) == (0, None, True)


def test_raw_requests_that_are_gone_are_missed_where_days_are_cut(times: Any) -> None:
    from database.models import DroppedPartition

    DroppedPartition.objects.create(table_name="api_response_times", day=START.date(), size_bytes=1, dropped_at=NOW)

    assert read(**{"from": "2025-03-10", "to": "2025-03-11"}).is_complete
    assert not read(**{"from": "2025-03-10T06:00:00Z", "to": "2025-03-11"}).is_complete


def test_over_the_api_it_is_the_same(times: Any, viewer: Person, settings: Settings) -> None:
    settings.API_RATE_LIMIT = 0
    with time_machine.travel(NOW, tick=False):
        found = Program.of(viewer).get("services/payments/percentiles?p=50,99.9").json()

    assert (found["count"], found["is_complete"], found["from"]) == (240, True, "2024-12-13T00:00:00Z")
    assert found["percentiles"] == [
        {"percent": percent, "response_time": read().percentile(percent)} for percent in (50, 99.9)
    ]
