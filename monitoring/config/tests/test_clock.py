"""The broker's clock as a process reckons it, whatever its own clocks do."""

from typing import Any

import pytest
import redis
from django.conf import settings
from pytest_django import Settings

from monitoring.config import clock
from monitoring.config.clock import BrokerClock


class Machine:
    """Clocks that a test moves. Asking the broker takes `way_s`, as much there as back."""

    def __init__(self) -> None:
        self.true_s, self.wall_ahead_s, self.broker_ahead_s, self.way_s = 1_700_000_000.0, 0.0, 0.0, 0.0
        self.is_away = False

    def wall(self) -> Any:
        return self.true_s + self.wall_ahead_s

    def monotonic(self) -> Any:
        return self.true_s - 1_699_000_000.0

    def ask(self) -> Any:
        self.true_s += self.way_s
        if self.is_away:
            raise redis.ConnectionError("away")
        answer = self.true_s + self.broker_ahead_s
        self.true_s += self.way_s
        return answer

    def clock(self) -> Any:
        return BrokerClock(self.ask, wall=self.wall, monotonic=self.monotonic, measures_itself=False)


@pytest.mark.parametrize("ahead_s", [0.0, 3.0, -3600.0, 3600.0])
def test_a_wall_clock_that_is_off_or_leaps_changes_nothing(ahead_s: Any) -> None:
    machine = Machine()
    machine.wall_ahead_s = ahead_s
    reckoned = machine.clock()
    assert reckoned.measure()

    machine.true_s += 60
    assert reckoned.seconds() == pytest.approx(machine.true_s, abs=1e-3)
    assert reckoned.wall_ahead().total_seconds() == pytest.approx(ahead_s, abs=1e-3)
    machine.wall_ahead_s = 0
    assert reckoned.seconds() == pytest.approx(machine.true_s, abs=1e-3)


def test_when_the_brokers_clock_leaps_it_is_followed() -> None:
    machine = Machine()
    reckoned = machine.clock()
    reckoned.measure()

    machine.broker_ahead_s = 3600

    reckoned.measure()
    assert reckoned.seconds() == pytest.approx(machine.true_s + 3600, abs=1e-3)


def test_the_way_to_the_broker_makes_no_jitter() -> None:
    machine = Machine()
    machine.way_s = 0.01
    reckoned = machine.clock()
    reckoned.measure()
    before = reckoned.seconds() - machine.true_s

    for way_s in (0.2, 0.003, 0.05):
        machine.way_s = way_s
        assert reckoned.measure()

    assert reckoned.seconds() - machine.true_s == pytest.approx(before, abs=1e-6)


def test_an_answer_that_took_too_long_is_not_gone_by() -> None:
    machine = Machine()
    reckoned = machine.clock()
    reckoned.measure()
    machine.way_s, machine.broker_ahead_s = 0.6, 3600

    assert not reckoned.measure()

    assert reckoned.seconds() == pytest.approx(machine.true_s, abs=1e-3)


def test_without_the_broker_it_goes_on_from_what_it_knew_or_by_its_own_clock() -> None:
    machine = Machine()
    known, unknown = machine.clock(), machine.clock()
    known.measure()
    machine.is_away = True
    machine.wall_ahead_s = 3600
    assert not unknown.measure()

    machine.true_s += 60

    assert known.seconds() == pytest.approx(machine.true_s, abs=1e-3)
    assert unknown.seconds() == pytest.approx(machine.wall(), abs=1e-3)
    assert unknown.wall_ahead() is None


def test_redis_is_asked_and_a_broker_of_another_kind_is_not(settings: Settings) -> None:
    ask = clock._asking_redis()
    assert ask is not None and ask() == pytest.approx(clock.seconds(), abs=1)

    settings.CELERY_BROKER_URL = "amqp://guest:guest@localhost:5672/"
    assert clock._asking_redis() is None


def test_it_measures_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    own = BrokerClock(clock._asking_redis())
    assert settings.REDIS_URL

    assert own.seconds() == pytest.approx(clock.seconds(), abs=1)
    assert own.wall_ahead() is not None
