"""Recurrence rules: the dates that dateutil finds, in bounded work, and refusals with the part that is wrong."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule as dateutil_rrule
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from incidents.maintenance import recurrence

FIRST = datetime(2026, 11, 27, 2)  # noqa: DTZ001  wall time


def firsts(text: str, count: int, first: datetime = FIRST, zone: str = "UTC") -> list[str]:
    found = islice(recurrence.instants(text, first, ZoneInfo(zone)), count)
    return [f"{each:%Y-%m-%d %H:%M}" for each in found]


def test_without_a_rule_there_is_one_date() -> None:
    assert firsts("", 5) == ["2026-11-27 02:00"]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("FREQ=DAILY", ["2026-11-27 02:00", "2026-11-28 02:00"]),
        ("rrule:freq=weekly;byday=su,we", ["2026-11-29 02:00", "2026-12-02 02:00"]),
        ("FREQ=MONTHLY;BYDAY=-1SU", ["2026-11-29 02:00", "2026-12-27 02:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["2026-12-31 02:00", "2027-01-31 02:00"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2028-02-29 02:00", "2032-02-29 02:00"]),
        ("FREQ=DAILY;BYHOUR=2,14;BYMINUTE=30", ["2026-11-27 02:30", "2026-11-27 14:30"]),
        ("FREQ=DAILY;COUNT=1", ["2026-11-27 02:00"]),
        ("FREQ=DAILY;UNTIL=20261128", ["2026-11-27 02:00", "2026-11-28 02:00"]),
        ("FREQ=DAILY;UNTIL=20261127T020000", ["2026-11-27 02:00"]),
        ("FREQ=DAILY;UNTIL=20261127T015959Z", []),
    ],
)
def test_a_rule_gives_its_dates(text: str, dates: list[str]) -> None:
    assert firsts(text, 2) == dates


def test_an_end_in_utc_is_an_instant() -> None:
    in_seoul = firsts("FREQ=DAILY;UNTIL=20261127T170000Z", 5, zone="Asia/Seoul")

    assert in_seoul == ["2026-11-26 17:00", "2026-11-27 17:00"]


@given(
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    interval=st.integers(1, 12),
    months=st.sets(st.integers(1, 12), max_size=3),
    days=st.sets(st.sampled_from(recurrence.DAYS), max_size=3),
    position=st.sampled_from([None, 1, -1, 2]),
    first=st.datetimes(datetime(2024, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001
)
def test_dates_are_those_of_dateutil_though_the_rule_runs_later(
    freq: str, interval: int, months: set[int], days: set[str], position: int | None, first: datetime
) -> None:
    parts = [f"FREQ={freq};INTERVAL={interval}"]
    parts += [f"BYMONTH={','.join(map(str, sorted(months)))}"] if months else []
    parts += [f"BYDAY={','.join(sorted(days))}"] if days else []
    parts += [f"BYSETPOS={position}"] if position and (months or days) else []
    first = first.replace(second=0, microsecond=0)

    ours = list(islice(recurrence.walls(recurrence.read(";".join(parts)), first), 20))

    theirs = list(islice(dateutil_rrule.rrulestr(";".join(parts), dtstart=first), len(ours)))
    assert ours == theirs


HOSTILE = [  # never match, or do so rarely, or look for long
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MONTHLY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=31",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    "FREQ=YEARLY;BYYEARDAY=-366;BYMONTH=12",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",  # from a year that is no leap year
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=366",
    "FREQ=YEARLY;BYDAY=MO;BYSETPOS=" + ",".join(str(each) for each in range(300, 360)),
    "FREQ=YEARLY;BYMONTH=2;BYDAY=5MO;BYMONTHDAY=28",
    "FREQ=DAILY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=29",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_rule_is_searched_for_less_than_400_years(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    years: list[int] = []
    rebuild = dateutil_rrule._iterinfo.rebuild

    def counted(self: Any, year: int, month: int) -> None:
        years.append(year)
        rebuild(self, year, month)

    monkeypatch.setattr(dateutil_rrule._iterinfo, "rebuild", counted)

    found = [each for each in recurrence.walls(recurrence.read(text), FIRST) if each < FIRST + timedelta(days=36_525)]

    assert len(found) < 10, "a rule of this list has few dates"
    assert len(set(years)) <= recurrence.CYCLE_YEARS


def test_a_rule_of_ten_thousand_dates_is_read_as_far_as_it_is_needed() -> None:
    assert firsts("FREQ=DAILY;COUNT=10000", 2) == ["2026-11-27 02:00", "2026-11-28 02:00"]
    assert sum(1 for _ in recurrence.instants("FREQ=DAILY;COUNT=10000", FIRST, ZoneInfo("UTC"))) == 10_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no FREQ. Begin with FREQ=DAILY"),
        ("BYDAY=MO", "no FREQ"),
        ("FREQ=SECONDLY", "FREQ=SECONDLY is too often.*Use FREQ=DAILY with BYHOUR"),
        ("FREQ=MINUTELY;INTERVAL=5", "too often"),
        ("FREQ=HOURLY", "too often"),
        ("FREQ=FORTNIGHTLY", "unknown. Enter DAILY"),
        ("FREQ=DAILY;BYEASTER=1", '"BYEASTER=1" is not a part of a rule'),
        ("every sunday", "is not a part of a rule"),
        ("DTSTART:20261127T020000\nRRULE:FREQ=DAILY", "DTSTART: Enter the start in its own fields"),
        ("FREQ=DAILY\nEXDATE:20261127T020000", "EXDATE: Skip single occurrences"),
        ("FREQ=DAILY;BYSECOND=0", "whole minutes"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "exclude each other"),
        ("FREQ=DAILY;COUNT=0", 'COUNT="0" is out of range. Enter a number from 1 to 100000'),
        ("FREQ=DAILY;INTERVAL=99999999999", "INTERVAL=.*out of range"),
        ("FREQ=DAILY;INTERVAL=٣", "out of range"),
        ("FREQ=DAILY;INTERVAL=", "INTERVAL has no value"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is there twice"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY=.*from 1 to 31"),
        ("FREQ=MONTHLY;BYMONTH=-1", "BYMONTH=.*from 1 to 12"),
        ("FREQ=WEEKLY;BYDAY=1MO", "has a number, which needs FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "at most 5 of a weekday"),
        ("FREQ=YEARLY;BYMONTH=2;BYDAY=53MO", "at most 5 of a weekday"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "is not a day"),
        ("FREQ=WEEKLY;WKST=X", "is not a day"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "cannot be used with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "cannot be used with FREQ=MONTHLY"),
        ("FREQ=DAILY;BYSETPOS=1", "Add one, or remove it"),
        ("FREQ=DAILY;UNTIL=2027-01-01", "is not a date"),
        ("FREQ=DAILY;UNTIL=20270230", "is not a date"),
        ("FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,5,10,15,20,25,30", "28 starts a day; 24 are allowed"),
        ("FREQ=YEARLY;BYYEARDAY=" + ",".join(["1"] * 61), "61 values; 60 are allowed"),
        ("FREQ=DAILY;" + "BYDAY=MO;" * 2000, "18011 characters; 500 are allowed"),
    ],
)
def test_what_is_no_rule_is_refused_with_a_remedy(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        recurrence.read(text)


@pytest.mark.parametrize(
    ("zone", "first", "utc"),
    [
        # Spring: a time in the gap moves forward by it. Autumn: the first of two.
        ("Europe/Berlin", datetime(2025, 3, 30, 2, 30), datetime(2025, 3, 30, 1, 30)),  # noqa: DTZ001  03:30 there
        ("Europe/Berlin", datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 0, 30)),  # noqa: DTZ001
        ("America/New_York", datetime(2025, 3, 9, 2, 30), datetime(2025, 3, 9, 7, 30)),  # noqa: DTZ001
        ("America/New_York", datetime(2025, 11, 2, 1, 30), datetime(2025, 11, 2, 5, 30)),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2025, 10, 5, 2, 15), datetime(2025, 10, 4, 15, 45)),  # noqa: DTZ001  02:45
        ("Australia/Lord_Howe", datetime(2025, 4, 6, 1, 45), datetime(2025, 4, 5, 14, 45)),  # noqa: DTZ001
        ("Asia/Seoul", datetime(2025, 3, 30, 2, 30), datetime(2025, 3, 29, 17, 30)),  # noqa: DTZ001
    ],
)
def test_a_wall_time_that_is_missing_or_doubled_has_one_instant(zone: str, first: datetime, utc: datetime) -> None:
    assert recurrence.instant_of_wall(first, ZoneInfo(zone)) == utc.replace(tzinfo=UTC)


def test_two_wall_times_of_a_skipped_hour_are_one_date() -> None:
    found = firsts("FREQ=DAILY;BYHOUR=2,3", 3, datetime(2025, 3, 30), "Europe/Berlin")  # noqa: DTZ001

    assert found == ["2025-03-30 01:00", "2025-03-31 00:00", "2025-03-31 01:00"]
