"""Response times of any window: the sum of the stored histograms of its whole days and, for the rest, of raw requests.

Percentiles are computed from the sum, so they are within one percent of the true value. They are never averaged.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from fractions import Fraction
from typing import Any

from django.db import connection

from database import retention
from database.sql import statement
from database.time_limit import time_limit
from monitoring.accounting.time_range import Window
from monitoring.checks.compressed import reading
from monitoring.checks.compressed.reading import TooMuch
from monitoring.models import ApiCallLog, ApiResponseTime, CompressedRequests, Service
from monitoring.rules import histogram
from monitoring.rules.calendar_days import bounds, days_between

TIMEOUT_MS = 4_000  # for the raw requests
RAW = (ApiResponseTime._meta.db_table, CompressedRequests._meta.db_table)

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimes:
    """The answered requests of a service in a window; redirects on the way are not counted."""

    counts: Counter[int]  # by bucket
    is_complete: bool  # False: raw requests of a partial day are deleted

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float | None:
        """Return the time in milliseconds that this share of the requests did not exceed; None without requests."""
        # As a fraction: 99.9 / 100 · 1000 is more than 999 in floats, and the rank would be that of the longest.
        return histogram.percentile(self.counts, Fraction(str(percent)) / 100)


def read(service: Service, window: Window, now: datetime, zone: tzinfo) -> ResponseTimes:
    """Read the response times of a window. Raises `TooMuch` if there are too many raw requests.

    Two queries, and two for each stretch that is read from raw requests: usually today and partial days at the ends.
    """
    days = [day for day in days_between(window.first, window.last) if _lies_in(day, window, now, zone)]
    stored = {
        row.date: (row.histogram_buckets, row.histogram_counts)
        for row in ApiCallLog.objects.filter(service=service, date__in=days, counts_time_zone=str(zone))
    }
    start, end = max(window.start, service.created_at), min(window.end, now)
    raw = _rest(start, end, [bounds(day, zone) for day in sorted(stored)])
    return ResponseTimes(
        counts=histogram.merge(stored.values()) + _raw_counts(service.id, raw) + _compressed_counts(service.id, raw),
        is_complete=all(retention.is_whole(RAW, *stretch) for stretch in raw),
    )


def _lies_in(day: date, window: Window, now: datetime, zone: tzinfo) -> bool:
    """Return whether a day is entirely within the window, and over."""
    start, end = bounds(day, zone)
    return window.start <= start and end <= min(window.end, now)


def _rest(start: datetime, end: datetime, taken: Iterable[Stretch]) -> list[Stretch]:
    """Return [start, end) without the stretches of `taken`, which are in order and within it."""
    found, since = list[Stretch](), start
    for taken_start, taken_end in taken:
        if since < taken_start:
            found.append((since, taken_start))
        since = max(since, taken_end)
    return [*found, (since, end)] if since < end else found


def _raw_counts(service_id: str, stretches: Sequence[Stretch]) -> Counter[int]:
    parameters: dict[str, Any] = {
        "service_id": service_id,
        "starts": [start for start, _end in stretches],
        "ends": [end for _start, end in stretches],
        "lowest_ms": histogram.LOWEST_MS,
        "growth": histogram.GROWTH,
    }
    with time_limit(TIMEOUT_MS, TooMuch), connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "histogram_of_stretches"), parameters)
        return Counter(dict(cursor.fetchall()))


def _compressed_counts(service_id: str, stretches: Sequence[Stretch]) -> Counter[int]:
    """Count the raw requests of compressed days."""
    requests = (request for stretch in stretches for request in reading.requests(service_id, "", *stretch))
    answered = (request for request in requests if request.is_final and request.status_code is not None)
    return Counter(histogram.bucket_of(each.response_time) for each in answered if each.response_time is not None)
