"""Pages of raw checks, newest first, found by key, so that all pages of millions of rows take the same time.

The checks of one service, and failures, are read along an index that has them in order. Others are ordered by time only
(a block range index), so they are read in slices that grow until a page is full. Each statement has a time limit.
Old days are compressed (`monitoring/checks/compressed/`); their checks are found here like all others.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Self

from django.db.models import Q, QuerySet

from database.time_limit import time_limit
from monitoring.checks.compressed import reading
from monitoring.checks.compressed.reading import CompressedDays, TooMuch, in_order
from monitoring.models import WatchServerLog
from monitoring.probes.model import Verdict
from monitoring.rules.unix_time import from_ms, to_ms

ROWS = 50
SEARCHED_AHEAD = timedelta(minutes=1)  # slots are in the future if a clock is ahead
TIMEOUT_MS = 4_000  # for one statement
FIRST_SLICE = timedelta(minutes=1)
GROWTH = 8
ORDER = ("checked_at", "service_id", "region")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A filter on checks: those in [since, until) that match the other fields that are set."""

    since: datetime
    until: datetime
    service_id: str = ""
    service_ids: tuple[str, ...] = ()  # instead of one: any of these
    verdict: str = ""
    error_type: str = ""
    region: str = ""

    @property
    def has_index(self) -> bool:
        """Return whether an index has these checks in order, so that they can be read with one query."""
        return bool(self.service_id or self.error_type or self.verdict == Verdict.BAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The position of a check in the order."""

    checked_at: datetime
    service_id: str
    region: str

    @classmethod
    def of(cls, check: WatchServerLog) -> Self:
        return cls(checked_at=check.checked_at, service_id=check.service_id, region=check.region)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse the output of `str`; None for any other text, as it comes from the URL."""
        at, _, rest = text.partition(".")
        service_id, _, region = rest.partition(".")
        try:
            return cls(checked_at=from_ms(int(at)), service_id=service_id, region=region) if region else None
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{to_ms(self.checked_at)}.{self.service_id}.{self.region}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Checks, newest first, with the keys of the adjacent pages; None if there is none."""

    checks: list[WatchServerLog]
    older: Key | None  # the next page continues after this check
    newer: Key | None  # the previous page ends before this check


def read(wanted: Wanted, *, after: Key | None = None, before: Key | None = None, rows: int = ROWS) -> Page:
    """Read the page that follows the check `after`, or that ends before the check `before`, or the first.

    Raises `TooMuch`. Must not be called in a transaction that is used afterwards.
    """
    is_backwards = before is not None
    found = list(_found(wanted, before or after, rows + 1, is_backwards))
    has_more, found = len(found) > rows, found[:rows]
    if is_backwards:
        found.reverse()
        return Page(checks=found, older=_last(found), newer=Key.of(found[0]) if has_more else None)
    return Page(checks=found, older=_last(found) if has_more else None, newer=_first(found) if after else None)


def one(key: Key) -> WatchServerLog | None:
    raw = WatchServerLog.objects.filter(service_id=key.service_id, checked_at=key.checked_at, region=key.region)
    return raw.first() or reading.one_check(key.service_id, key.checked_at, key.region)


def _first(found: list[WatchServerLog]) -> Key | None:
    return Key.of(found[0]) if found else None


def _last(found: list[WatchServerLog]) -> Key | None:
    return Key.of(found[-1]) if found else None


def _found(wanted: Wanted, start: Key | None, rows: int, is_backwards: bool) -> Iterator[WatchServerLog]:
    order = ORDER if is_backwards else [f"-{name}" for name in ORDER]
    compressed = CompressedDays(
        service_id=wanted.service_id,
        service_ids=wanted.service_ids,
        verdict=wanted.verdict,
        error_type=wanted.error_type,
        region=wanted.region,
    )
    for since, until in _slices(wanted, start, is_backwards):
        checks = _matching(wanted).filter(checked_at__gte=since, checked_at__lt=until)
        if start is not None:
            checks = checks.filter(_beyond(start, is_backwards))
        raw = _bounded(checks.order_by(*order)[:rows])
        if len(raw) == rows:  # checks beyond the last one are not needed
            since, until = _as_far_as(raw[-1].checked_at, since, until, is_backwards)
        old = compressed.checks(since, until, is_backwards=is_backwards)
        if start is not None:
            old = _after(old, start, is_backwards)
        # Checks of a compressed day that arrived late are raw.
        found = list(islice(heapq.merge(raw, old, key=in_order, reverse=not is_backwards), rows))
        yield from found
        rows -= len(found)
        if not rows:
            return


def _slices(wanted: Wanted, start: Key | None, is_backwards: bool) -> Iterator[tuple[datetime, datetime]]:
    """Yield consecutive stretches of time from `start` on, each longer than the previous one."""
    since, until = wanted.since, wanted.until
    if start is not None and is_backwards:
        since = max(since, start.checked_at)
    elif start is not None:
        until = min(until, start.checked_at + timedelta(milliseconds=1))
    length = max(until - since, timedelta()) if wanted.has_index else FIRST_SLICE
    while since < until:
        if is_backwards:
            edge = min(until, since + length)
            yield since, edge
            since = edge
        else:
            edge = max(since, until - length)
            yield edge, until
            until = edge
        length *= GROWTH


def _matching(wanted: Wanted) -> QuerySet[WatchServerLog]:
    checks = WatchServerLog.objects.all()
    for name in ("service_id", "verdict", "error_type", "region"):
        if value := getattr(wanted, name):
            checks = checks.filter(**{name: value})
    if wanted.service_ids:
        checks = checks.filter(service_id__in=wanted.service_ids)
    # The planner recognises the index of failures by this expression.
    return checks.filter(is_healthy=False) if wanted.error_type or wanted.verdict == Verdict.BAD else checks


def _beyond(key: Key, is_backwards: bool) -> Q:
    """Return the condition for checks beyond a key in the order of reading."""
    side = "gt" if is_backwards else "lt"
    same_time = Q(checked_at=key.checked_at)
    return (
        Q(**{f"checked_at__{side}": key.checked_at})
        | (same_time & Q(**{f"service_id__{side}": key.service_id}))
        | (same_time & Q(service_id=key.service_id) & Q(**{f"region__{side}": key.region}))
    )


def _as_far_as(at: datetime, since: datetime, until: datetime, is_backwards: bool) -> tuple[datetime, datetime]:
    return (since, at + timedelta(milliseconds=1)) if is_backwards else (at, until)


def _after(checks: Iterator[WatchServerLog], key: Key, is_backwards: bool) -> Iterator[WatchServerLog]:
    """Yield the checks beyond a key, by the same condition as `_beyond`."""
    here = (key.checked_at, key.service_id, key.region)
    return (check for check in checks if (in_order(check) > here if is_backwards else in_order(check) < here))


def _bounded(checks: QuerySet[WatchServerLog]) -> list[WatchServerLog]:
    with time_limit(TIMEOUT_MS, TooMuch):
        return list(checks)
