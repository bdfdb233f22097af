"""Celery by the broker's clock: beat continues after a clock leaps, and a wrong clock expires no messages."""

from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from celery.contrib.django.task import DjangoTask
from celery.worker.request import Request, revoked_tasks

from monitoring.config import clock

SET_BACK = timedelta(seconds=1)


class Engine(Celery):  # type: ignore[misc]  # Celery has no types
    """Set the expiry of a sent message by the broker's clock."""

    def now(self) -> datetime:
        return clock.now()


class PunctualRequest(Request):  # type: ignore[misc]
    """Check the expiry of a received message by the broker's clock, not by the wall clock."""

    def maybe_expire(self) -> bool:
        if not self.expires or clock.now() <= self.expires:
            return False
        revoked_tasks.add(self.id)
        return True


class EngineTask(DjangoTask):  # type: ignore[misc]
    """A task whose messages expire by the broker's clock."""

    abstract = True
    Request = "slamonitor.schedule:PunctualRequest"


class Timetable(Scheduler):  # type: ignore[misc]
    """Beat's timetable, which continues after a clock is set back.

    Celery remembers when each task ran last, and would wait until the clock shows that instant again.
    """

    _ticked_at: datetime | None = None

    def tick(self, **options: Any) -> float:
        now = self.app.now()
        if self._ticked_at is not None and now < self._ticked_at - SET_BACK:
            for entry in self.schedule.values():
                entry.last_run_at = min(entry.last_run_at, now)
            self._heap = None  # beat builds it again from the entries
        self._ticked_at = now
        return float(super().tick(**options))
