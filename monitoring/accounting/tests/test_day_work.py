"""The rounds of work on whole days, and that they take one place of an engine."""

from typing import Any

import pytest

from monitoring import tasks
from monitoring.accounting import day_work
from monitoring.models import Service, UptimeRecord
from monitoring.tests.factories import START, make_service


def test_a_step_that_fails_keeps_nobody_from_the_others_and_fails_the_round(caplog: pytest.LogCaptureFixture) -> None:
    done: list[Any] = []

    def full(began: float) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        day_work.run({"today": done.append, "closed days": full, "old days": done.append})

    assert len(done) == 2
    assert [vars(record)["step"] for record in caplog.records] == ["closed days"]


@pytest.mark.parametrize(("spent_s", "left_s"), [(0, 50), (30, 20), (300, 10)])
def test_compressing_has_what_is_left_of_a_minute_and_always_some_of_it(spent_s: Any, left_s: Any) -> None:
    assert day_work.left_s(spent_s) == left_s


@pytest.mark.django_db
def test_the_door_does_a_round(time_machine: Any) -> None:
    time_machine.move_to("2025-03-10 12:00", tick=False)
    make_service()
    Service.objects.update(created_at=START)

    tasks.work_on_days()

    assert UptimeRecord.objects.get().date == START.date()
