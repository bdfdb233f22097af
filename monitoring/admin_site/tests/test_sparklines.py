from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from monitoring.admin_site.sparklines import HOURS, draw, sparklines
from monitoring.models import ServiceHour

NOW = datetime(2025, 3, 10, 14, 25, tzinfo=UTC)


def test_nothing_measured_draws_nothing() -> None:
    found = draw([(None, 0)] * HOURS)

    assert (found.lines, found.dots, found.bad, found.highest_ms) == ([], [], [], None)


def test_hours_without_good_checks_part_the_line() -> None:
    found = draw([(10, 0), (20, 0), (None, 3), (10, 0)])

    assert len(found.lines) == 1
    assert len(found.dots) == 1
    assert found.bad == [("12.0", 3)]
    assert (found.lowest_ms, found.highest_ms, found.bad_count) == (10, 20, 3)


def test_scale_begins_at_zero() -> None:
    [line] = draw([(50, 0), (100, 0)]).lines
    ys = [float(point.split(",")[1]) for point in line.split()]

    assert ys == [12.0, 1.0]


def test_a_service_that_always_answers_at_once_is_drawn_too() -> None:
    assert draw([(0, 0), (0, 0)]).lines == ["3.0,23.0 9.0,23.0"]


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
