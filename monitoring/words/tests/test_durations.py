from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from monitoring.words.durations import age, clock, duration, exact, response_time

NOW = datetime(2025, 3, 9, 14, 25, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (-3, "0 s", "0초"),
        (59.9, "59 s", "59초"),
        (60, "1 min", "1분"),
        (3599, "59 min", "59분"),
        (3840, "1 h 04 min", "1시간 4분"),
        (86_400, "1 d 0 h", "1일 0시간"),
        (183_600, "2 d 3 h", "2일 3시간"),
    ],
)
def test_duration_is_said_in_its_largest_units(seconds: float, english: str, korean: str) -> None:
    assert duration(seconds) == english
    with translation.override("ko"):
        assert duration(seconds) == korean


def test_age_is_relative_up_to_a_day() -> None:
    assert age(NOW - timedelta(hours=23), NOW, SEOUL) == "23 h 00 min ago"
    assert age(NOW - timedelta(days=2), NOW, SEOUL) == "7 March 2025, 23:25"


def test_today_is_a_day_of_the_pages_zone() -> None:
    assert clock(NOW - timedelta(hours=10), NOW, SEOUL) == "13:25"
    with translation.override("ko"):
        assert clock(NOW - timedelta(hours=24), NOW, SEOUL) == "2025년 3월 8일 23:25"


def test_exact_time_names_its_zone() -> None:
    assert exact(NOW, SEOUL) == "2025-03-09 23:25:00 KST"


@pytest.mark.parametrize(("ms", "said"), [(0.4, "0 ms"), (84.4, "84 ms"), (999.6, "1.00 s"), (12_345, "12.35 s")])
def test_response_time_changes_unit_at_a_second(ms: float, said: str) -> None:
    assert response_time(ms) == said
