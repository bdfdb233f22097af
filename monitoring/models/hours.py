"""Hourly counts for the dashboard, so that it never reads days of raw rows.

`monitoring/accounting/hourly.py` recomputes them.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Hour(models.Model):
    """The checks of all services in one hour (UTC)."""

    hour_at = models.DateTimeField(primary_key=True)
    ok_count = models.IntegerField()
    slow_count = models.IntegerField()
    bad_count = models.IntegerField()
    # The histogram of response times: the non-empty buckets of `monitoring/rules/histogram.py`, and their counts.
    # Null in rows of a release whose buckets had another width.
    histogram_buckets = ArrayField(models.SmallIntegerField(), null=True)
    histogram_counts = ArrayField(models.IntegerField(), null=True)
    computed_at = models.DateTimeField()
    took_ms = models.IntegerField()  # for all hours computed together; determines when they may be computed again

    class Meta:
        db_table = "check_hours"

    def __str__(self) -> str:
        return f"{self.hour_at:%Y-%m-%d %H}"


class ServiceHour(models.Model):
    """The checks of one service in one hour (UTC)."""

    # Hours first: every reader needs some hours of all services, and old hours are deleted as one range.
    pk = models.CompositePrimaryKey("hour_at", "service_id")
    hour_at = models.DateTimeField()
    service_id = models.TextField()
    ok_count = models.IntegerField()
    slow_count = models.IntegerField()
    bad_count = models.IntegerField()
    # Null: written by a release that counted good checks only.
    answered_count = models.IntegerField(null=True)
    response_ms_sum = models.FloatField()  # of the answers

    class Meta:
        db_table = "service_hours"

    def __str__(self) -> str:
        return f"{self.service_id} {self.hour_at:%Y-%m-%d %H}"
