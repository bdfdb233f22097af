from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from database.models import NightlyRun
from database.nightly import RETRY_AFTER, begin_or_go_on, finish, is_due, once_a_night

pytestmark = pytest.mark.django_db

AT = time(3)
NOW = datetime(2025, 3, 10, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
SEOUL = ZoneInfo("Asia/Seoul")


def run(now: datetime, zone: Any = UTC) -> bool:
    with once_a_night("tidy", AT, now, zone) as is_due:
        return is_due


def test_a_night_has_one_run_however_often_it_is_asked_for() -> None:
    assert [run(NOW + timedelta(minutes=5 * n)) for n in range(3)] == [True, False, False]
    assert run(NOW + DAY)


def test_it_waits_for_its_time_of_the_pages_day() -> None:
    run(NOW)

    assert not run(NOW + DAY - timedelta(minutes=5))
    assert run(NOW + DAY - timedelta(minutes=4))


def test_the_time_is_that_of_the_pages_zone() -> None:
    run(datetime(2025, 3, 9, 18, tzinfo=UTC), SEOUL)  # three in the morning of the tenth in Seoul

    assert not run(datetime(2025, 3, 10, 17, 59, tzinfo=UTC), SEOUL)
    assert run(datetime(2025, 3, 10, 18, 0, tzinfo=UTC), SEOUL)


def test_a_missed_night_is_made_up_for_once() -> None:
    run(NOW)

    assert [run(NOW + 3 * DAY + timedelta(hours=9)), run(NOW + 3 * DAY + timedelta(hours=10))] == [True, False]


def test_a_failure_is_noted_and_tried_again_after_an_hour() -> None:
    with pytest.raises(OSError, match="disk full"), once_a_night("tidy", AT, NOW, UTC):
        raise OSError("disk full")

    assert NightlyRun.objects.get().error == "OSError: disk full"
    assert not is_due("tidy", AT, NOW + RETRY_AFTER - timedelta(seconds=1), UTC)
    assert run(NOW + RETRY_AFTER)
    row = NightlyRun.objects.get()
    assert row.error == "" and row.finished_at is not None


@pytest.mark.parametrize("zone", [ZoneInfo("America/New_York"), ZoneInfo("America/Sao_Paulo")])
def test_a_time_that_the_clocks_skip_or_repeat_has_one_run(zone: Any) -> None:
    half_past_two, runs = time(2, 30), 0
    for minutes in range(0, 2 * 24 * 60, 10):  # the nights of the 9th (skipped in New York) and of the 10th
        now = datetime(2025, 3, 8, 23, tzinfo=zone).astimezone(UTC) + timedelta(minutes=minutes)
        with once_a_night("tidy", half_past_two, now, zone) as due:
            runs += due

    assert runs == 3  # the missed night before the first, and the two


def test_work_of_several_calls_goes_on_until_it_is_finished_and_then_rests_until_the_next_night() -> None:
    calls = [NOW + timedelta(minutes=n) for n in range(4)]

    assert [begin_or_go_on("fold", AT, now, UTC) for now in calls[:2]] == [True, True]
    finish("fold", calls[1])

    assert [begin_or_go_on("fold", AT, now, UTC) for now in calls[2:]] == [False, False]
    assert begin_or_go_on("fold", AT, NOW + DAY, UTC)
    assert NightlyRun.objects.get().finished_at is None
