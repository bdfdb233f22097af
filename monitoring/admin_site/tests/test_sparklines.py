from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from monitoring.admin_site.sparklines import HEIGHT, HOURS, BadBar, MeanHour, draw, sparklines
from monitoring.models import ServiceHour

NOW = datetime(2025, 3, 10, 14, 25, tzinfo=UTC)


def test_nothing_measured_draws_nothing() -> None:
    found = draw([MeanHour()] * HOURS)

    assert (found.lines, found.dots, found.bars, found.highest_ms) == ([], [], [], None)


def test_hours_without_good_checks_part_the_line() -> None:
    found = draw([MeanHour(10), MeanHour(20), MeanHour(None, 3, 3), MeanHour(10)])

    assert len(found.lines) == 1
    assert len(found.dots) == 1
    assert found.bars == [BadBar("12.0", "0.0", f"{HEIGHT}.0")]
    assert (found.lowest_ms, found.highest_ms, found.bad_count) == (10, 20, 3)


@pytest.mark.parametrize(("bad", "height"), [(1, "1.5"), (30, "14.0"), (60, "28.0")])
def test_a_bar_is_as_high_as_the_share_of_failed_checks(bad: int, height: str) -> None:
    [bar] = draw([MeanHour(10, bad, 60)]).bars

    assert bar.height == height, "a twentieth of an hour must not look like an hour"
    assert float(bar.y) + float(bar.height) == HEIGHT


def test_scale_begins_at_zero() -> None:
    [line] = draw([MeanHour(50), MeanHour(100)]).lines
    ys = [float(point.split(",")[1]) for point in line.split()]

    assert ys == [12.0, 1.0]


def test_a_service_that_always_answers_at_once_is_drawn_too() -> None:
    assert draw([MeanHour(0), MeanHour(0)]).lines == ["3.0,23.0 9.0,23.0"]


@pytest.mark.django_db
def test_means_are_read_for_all_services_in_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    hour = NOW.replace(minute=0)
    for id, at, bad in (("a", hour, 0), ("a", hour - timedelta(hours=1), 2), ("b", hour - timedelta(hours=24), 0)):
        ServiceHour.objects.create(
            hour_at=at, service_id=id, ok_count=3, slow_count=1, bad_count=bad, response_ms_sum=80
        )

    with django_assert_num_queries(1):
        found = sparklines(["a", "b", "c"], NOW)

    assert (found["a"].highest_ms, found["a"].bad_count) == (20, 2)
    assert found["b"].highest_ms is None, "24 hours are the running one and the 23 before"
    assert found["c"].lines == []
