"""The engine's records of itself: dispatch, workers, counters, networks."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from monitoring.config.clock import AHEAD

LEAD = timedelta(seconds=2)  # slots are dispatched so far ahead that they reach a worker before they are due
DISPATCH_LATE = timedelta(seconds=5)


class DispatchWatermark(models.Model):
    """The single row with the instant up to which slots were dispatched; dispatchers compare-and-set it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    dispatched_until = models.DateTimeField()
    dispatched_slots = models.BigIntegerField(default=0)
    skipped_slots = models.BigIntegerField(default=0)  # missed after a pause and not dispatched later: gaps
    # When a dispatcher was stopped on request; null once slots are dispatched again.
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "dispatch_watermark"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id=1), name="dispatch_watermark_single_row"),
        ]

    def __str__(self) -> str:
        return f"{self.dispatched_until:%Y-%m-%d %H:%M:%S}"

    def age(self, now: datetime) -> timedelta:
        """Return how long ago slots were dispatched; negative if that is in the future, see `is_ahead`."""
        age = now - (self.dispatched_until - LEAD)
        return age if self.is_ahead(now) else max(age, timedelta(0))

    def is_ahead(self, now: datetime) -> bool:
        """Return whether a clock was wrong when slots were dispatched."""
        return self.dispatched_until > now + AHEAD

    def is_late(self, now: datetime) -> bool:
        return self.age(now) > DISPATCH_LATE


class EngineWorker(models.Model):
    """A worker process that reports that it is alive, through the same queue as its results."""

    name = models.TextField(primary_key=True)
    role = models.TextField()  # probe, engine, dispatch
    region = models.TextField(null=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    counters = models.JSONField(default=dict)  # since `started_at`: probes, expired, our own errors; and in flight now
    # Its release and user, how long its newest stamp took (`behind_ms`), and how far its machine's clock is ahead of
    # the broker's (`clock_ahead_ms`, null if unknown). Null: written by a release without this column.
    facts = models.JSONField(null=True)

    class Meta:
        db_table = "engine_workers"

    def __str__(self) -> str:
        return self.name


class EngineCounter(models.Model):
    """The number of times that a rare event happened, such as a refused result."""

    name = models.TextField(primary_key=True)
    value = models.BigIntegerField(default=0)
    raised_at = models.DateTimeField(null=True)  # the last time, by the database's clock

    class Meta:
        db_table = "engine_counters"

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class RegionSight(models.Model):
    """The state of a region's network by its canaries. The row exists since the first time that none answered."""

    region = models.TextField(primary_key=True)
    failing_since = models.DateTimeField(null=True)  # none has answered since; null: they answer
    failed_at = models.DateTimeField(null=True)  # the newest look that no canary answered
    answered_at = models.DateTimeField(null=True)  # the newest look that a canary answered
    blind_since = models.DateTimeField(null=True)  # most services failed as well, so it is our network
    canaries = models.TextField(default="")  # their names, for people
    verdicts = models.JSONField(default=dict)  # while undecided: by service, whether its newest check was good

    class Meta:
        db_table = "region_sights"

    def __str__(self) -> str:
        return f"{self.region} {'blind' if self.blind_since else 'sees'}"
