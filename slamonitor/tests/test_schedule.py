"""Beat and the expiry of messages go by the broker's clock, and survive its leaps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import schedule

from monitoring.config import clock
from monitoring.config.clock import BrokerClock
from slamonitor.celery import app
from slamonitor.schedule import PunctualRequest, Timetable

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)


class HandClock(BrokerClock):
    """Shows what a test sets."""

    def __init__(self) -> None:
        super().__init__(None)
        self.at = NOW

    def seconds(self) -> Any:
        return self.at.timestamp()


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Any:
    hand = HandClock()
    monkeypatch.setattr(clock, "_clock", hand)
    return hand


class Sent(Timetable):
    """Keep what would be sent."""

    def setup_schedule(self) -> None:
        self.sent: list[Any] = []
        self.update_from_dict({"tick": {"task": "monitoring.dispatch_due", "schedule": schedule(1.0, app=app)}})

    @property
    def schedule(self) -> Any:
        return self.data

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append(entry.task)

    @property
    def producer(self) -> Any:
        return None


@pytest.mark.parametrize("leap", [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=-180), timedelta()])
def test_beat_goes_on_each_second_after_a_leap(hand: Any, leap: Any) -> None:
    timetable = Sent(app, schedule={})
    for step in range(100):
        hand.at = NOW + step * timedelta(seconds=0.1)
        timetable.tick()
    before = len(timetable.sent)

    for step in range(100):
        hand.at = NOW + timedelta(seconds=10) + leap + step * timedelta(seconds=0.1)
        timetable.tick()

    assert before >= 9
    assert len(timetable.sent) - before >= 9


def test_a_message_expires_by_the_brokers_clock(hand: Any) -> None:
    class Message(PunctualRequest):
        def __init__(self, expires: Any) -> None:
            self._expires, self.id = expires, "x"

    assert not Message(None).maybe_expire()
    assert not Message(NOW + timedelta(seconds=1)).maybe_expire()
    assert Message(NOW - timedelta(seconds=1)).maybe_expire()


def test_every_task_of_ours_goes_by_that_clock(hand: Any) -> None:
    app.loader.import_default_modules()

    assert app.now() == NOW
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert {task.Request for task in ours} == {"slamonitor.schedule:PunctualRequest"}
