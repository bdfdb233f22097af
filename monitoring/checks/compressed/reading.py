"""Read compressed checks as if they were rows of the raw tables. Nothing is stored.

A row of a compressed table is a day of one service in one region. Reading a single check of it means to decompress the
whole day, which takes 3 µs a check.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from django.db.models import Sum

from database import partitions
from monitoring.checks.compressed.kinds import CHECKS, REQUESTS
from monitoring.checks.compressed.moving import utc_days
from monitoring.checks.compressed.rows import Check, Request
from monitoring.models import ApiResponseTime, CompressedChecks, CompressedRequests, WatchServerLog
from monitoring.probes.model import Verdict
from monitoring.rules.unix_time import from_ms, to_ms

MOST_CHECKS = 300_000  # decompressed for one page: about a second
CHECK_FIELDS = (*CHECKS.columns, "is_healthy", "service_id", "region")
REQUEST_FIELDS = (*REQUESTS.columns, "service_id", "region")


class TooMuch(Exception):
    """The database did not find a page of these checks within the time that a page may take."""


@dataclass(frozen=True, kw_only=True)
class CompressedDays:
    """A filter on compressed checks; an empty text matches any value."""

    service_id: str = ""
    service_ids: tuple[str, ...] = ()
    verdict: str = ""
    error_type: str = ""
    region: str = ""
    # The day that was decompressed last: pages of many services are read in slices of a day.
    _opened: dict[date, list[WatchServerLog]] = field(default_factory=dict)

    @cached_property
    def _days(self) -> set[date]:
        return partitions.existing(CHECKS.compressed)

    def checks(self, since: datetime, until: datetime, *, is_backwards: bool) -> Iterator[WatchServerLog]:
        """Yield checks in [since, until), in order of time, service and region, or the other way round.

        Each day is read when it is reached: one query a day, and one for the list of days. Raises `TooMuch` when a day
        has more than `MOST_CHECKS` checks.
        """
        days = self._days.intersection(utc_days(since, until)) if since < until else ()
        for day in sorted(days, reverse=not is_backwards):
            found = self._of_day(day)
            yield from (
                check for check in (found if is_backwards else reversed(found)) if since <= check.checked_at < until
            )

    def _of_day(self, day: date) -> list[WatchServerLog]:
        if day not in self._opened:
            self._opened.clear()
            self._opened[day] = sorted(self._open(day), key=in_order)
        return self._opened[day]

    def _open(self, day: date) -> Iterator[WatchServerLog]:
        rows = CompressedChecks.objects.filter(day=day)
        for name in ("service_id", "region"):
            if value := getattr(self, name):
                rows = rows.filter(**{name: value})
        if self.service_ids:
            rows = rows.filter(service_id__in=self.service_ids)
        if self.error_type or self.verdict == Verdict.BAD:
            rows = rows.filter(bad_count__gt=0)
        if (rows.aggregate(checks=Sum("row_count"))["checks"] or 0) > MOST_CHECKS:
            raise TooMuch
        for service_id, region, content in rows.values_list("service_id", "region", "content"):
            yield from (
                _check(row, service_id, region) for row in CHECKS.decompress(bytes(content)) if self._wants(row)
            )

    def _wants(self, row: Check) -> bool:
        return self.verdict in ("", row.verdict) and self.error_type in ("", row.error_type)


def in_order(check: WatchServerLog) -> tuple[datetime, str, str]:
    return check.checked_at, check.service_id, check.region


def one_check(service_id: str, checked_at: datetime, region: str) -> WatchServerLog | None:
    """Return a compressed check. One query."""
    days = CompressedChecks.objects.filter(service_id=service_id, region=region, day__in=_day(checked_at))
    for content in days.values_list("content", flat=True):
        for row in CHECKS.decompress(bytes(content)):
            if row.checked_at_ms == to_ms(checked_at):
                return _check(row, service_id, region)
    return None


def requests(service_id: str, region: str, since: datetime, until: datetime) -> list[ApiResponseTime]:
    """Return the compressed requests that began in [since, until); an empty region matches any. One query."""
    days = CompressedRequests.objects.filter(service_id=service_id, day__in=utc_days(since, until))
    if region:
        days = days.filter(region=region)
    return [
        _request(row, service_id, region)
        for region, content in days.values_list("region", "content")
        for row in REQUESTS.decompress(bytes(content))
        if since <= from_ms(row.measured_at_ms) < until
    ]


def _day(at: datetime) -> list[date]:
    return [at.astimezone(UTC).date()]


def _check(row: Check, service_id: str, region: str) -> WatchServerLog:
    is_healthy = row.verdict != Verdict.BAD
    check: WatchServerLog = _instance(WatchServerLog, CHECK_FIELDS, row, (is_healthy, service_id, region))
    return check


def _request(row: Request, service_id: str, region: str) -> ApiResponseTime:
    request: ApiResponseTime = _instance(ApiResponseTime, REQUEST_FIELDS, row, (service_id, region))
    return request


def _instance(model: Any, fields: Sequence[str], row: Check | Request, rest: tuple[Any, ...]) -> Any:
    """Make an object as the database would, generated field included; the last column of a row is JSON."""
    metadata = None if row.metadata is None else json.loads(row.metadata)
    # By hand: `from_db` wants the fields in the model's order.
    values = dict(zip(fields, (from_ms(row[0]), *row[1:-1], metadata, *rest), strict=True))
    names = [each.attname for each in model._meta.concrete_fields]
    return model.from_db("default", names, [values[name] for name in names])
