"""The characters of the targets, asked at chosen instants."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from slamonitor.demo.behaviours import SLOW_OVER_MS, Answer, Kind, answer, outages_of_week

SEOUL = ZoneInfo("Asia/Seoul")
MONDAY = datetime(2025, 3, 10, tzinfo=SEOUL)


def answers(kind: Kind, since: datetime, minutes: int, every_s: int = 1) -> Iterator[Answer]:
    return (answer(kind, since + timedelta(seconds=s)) for s in range(0, minutes * 60, every_s))


@pytest.mark.parametrize("kind", Kind)
def test_the_same_instant_always_gets_the_same_answer(kind: Kind) -> None:
    assert list(answers(kind, MONDAY, 3)) == list(answers(kind, MONDAY, 3))


@pytest.mark.parametrize("kind", [Kind.STEADY, Kind.FAST])
def test_steady_and_fast_ones_always_answer_well(kind: Kind) -> None:
    week = list(answers(kind, MONDAY, 7 * 1440, every_s=61))

    assert {each.status for each in week} == {200}
    assert max(each.latency_ms for each in week) < SLOW_OVER_MS
    assert len({each.latency_ms for each in week}) > 9_000, "they jitter"


def test_the_evening_is_slow_and_the_rest_of_the_day_is_not() -> None:
    day = list(answers(Kind.EVENING, MONDAY, 1440, every_s=60))

    assert all(each.latency_ms < SLOW_OVER_MS for each in day[: 18 * 60])
    assert all(each.latency_ms > SLOW_OVER_MS for each in day[20 * 60 : 22 * 60])
    assert {each.status for each in day} == {200}


def test_the_flapping_one_fails_for_about_twenty_seconds_in_every_six_minutes() -> None:
    hour = list(answers(Kind.FLAPPING, MONDAY, 60))
    failed = [second for second, each in enumerate(hour) if each.status == 502]

    assert all(14 <= sum(block <= second < block + 360 for second in failed) <= 28 for block in range(0, 3600, 360))


@pytest.mark.parametrize("monday", [date(2025, 3, 10), date(2024, 12, 30), date(2025, 10, 20)])
def test_two_outages_a_week_lie_within_it_and_apart(monday: date) -> None:
    first, second = outages_of_week(monday)

    assert first.ends < second.begins
    assert second.ends.date() < monday + timedelta(days=7)
    assert (first.hangs, second.hangs) == (False, True)
    assert all(timedelta(minutes=15) <= each.ends - each.begins < timedelta(minutes=110) for each in (first, second))


def test_the_weekly_one_fails_in_its_outages_only() -> None:
    first, second = (each.begins.replace(tzinfo=SEOUL) for each in outages_of_week(MONDAY.date()))

    assert answer(Kind.TWICE_A_WEEK, first - timedelta(seconds=1)).status == 200
    assert answer(Kind.TWICE_A_WEEK, first).status == 503
    assert answer(Kind.TWICE_A_WEEK, second).latency_ms > 10_000
