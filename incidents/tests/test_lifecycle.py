from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incidents.lifecycle import Course, begun, moved
from incidents.models import IncidentStatus

START = datetime(2025, 3, 9, 14, 2, tzinfo=UTC)
NEW = Course(status="investigating", started_at=START)


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("steps", "status", "identified", "resolved"),
    [
        (["investigating"], "investigating", None, None),
        (["identified"], "identified", 1, None),
        (["monitoring"], "monitoring", 1, None),
        (["identified", "monitoring", "resolved"], "resolved", 1, 3),
        (["resolved"], "resolved", None, 1),
        (["resolved", "resolved"], "resolved", None, 1),  # resolved once
        (["identified", "investigating"], "investigating", None, None),
        (["identified", "investigating", "identified"], "identified", 3, None),
        (["identified", "resolved", "monitoring"], "monitoring", 1, None),  # reopened
        (["identified", "resolved", "investigating"], "investigating", None, None),
    ],
)
def test_times_follow_the_statuses(steps: Any, status: str, identified: int | None, resolved: int | None) -> None:
    course = NEW
    for minute, step in enumerate(steps, 1):
        course = moved(course, step, after(minute))

    assert course.status == status
    assert course.identified_at == (identified and after(identified))
    assert course.resolved_at == (resolved and after(resolved))


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 0), (1, 1), (60, 1), (61, 2), (3600, 60)])
def test_duration_is_in_whole_minutes_rounded_up(seconds: int, minutes: int) -> None:
    assert moved(NEW, "resolved", START + timedelta(seconds=seconds)).duration_minutes == minutes


def test_an_open_incident_has_no_duration() -> None:
    assert moved(NEW, "monitoring", after(5)).duration_minutes is None


def test_nothing_happens_before_the_start() -> None:
    assert moved(NEW, "resolved", after(-5)).resolved_at == START


def test_start_may_move_but_not_behind_what_followed() -> None:
    course = moved(NEW, "identified", after(10))

    assert begun(course, after(-30)).started_at == after(-30)
    with pytest.raises(ValueError, match="cannot start after"):
        begun(course, after(11))


def test_an_unknown_status_is_an_error() -> None:
    with pytest.raises(ValueError, match="'fixed' is not a status"):
        moved(NEW, "fixed", after(1))


def test_the_words_are_those_of_the_model() -> None:
    from incidents import lifecycle

    assert tuple(IncidentStatus.values) == lifecycle.ORDER
