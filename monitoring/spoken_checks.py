"""All checks of one service that speak, raw or folded, for rebuilding its runs.

Those of our own blindness do not (`monitoring/blindness.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db.models import F, Max, Min, QuerySet, Sum

from monitoring.folded.kinds import CHECKS, is_blind
from monitoring.instants import from_ms
from monitoring.models import FoldedChecks, WatchServerLog


class Spoken(NamedTuple):
    """What a check said."""

    checked_at: datetime
    region: str
    verdict: str
    interval_ms: int


@dataclass(frozen=True, slots=True)
class SpokenChecks:
    """Ends are included: runs are told by their first and last check."""

    service_id: str

    def between(self, since: datetime, until: datetime) -> list[Spoken]:
        """Return the checks from `since` to `until` in order of time and region. Two queries."""
        raw = self._raw().filter(checked_at__gte=since, checked_at__lte=until).values_list(*Spoken._fields)
        folded = _opened(self._days().filter(day__range=(_day(since), _day(until))))
        return sorted([*map(Spoken._make, raw), *(check for check in folded if since <= check.checked_at <= until)])

    def count(self, since: datetime, until: datetime) -> int:
        """Count the checks from `since` to `until`. Three queries; of folded days only the outer ones are opened."""
        first, last = _day(since), _day(until)
        raw = self._raw().filter(checked_at__gte=since, checked_at__lte=until).count()
        inner = self._days().filter(day__gt=first, day__lt=last)
        whole = inner.aggregate(checks=Sum(F("row_count") - F("blind_count")))["checks"] or 0
        outer = _opened(self._days().filter(day__in={first, last}))
        return raw + whole + sum(since <= check.checked_at <= until for check in outer)

    def last_before(self, at: datetime) -> datetime | None:
        raw = self._raw().filter(checked_at__lt=at).aggregate(at=Max("checked_at"))["at"]
        days = self._days().filter(day__lte=_day(at)).order_by("-day")
        return max(filter(None, (raw, self._first_found(days, lambda time: time < at, max))), default=None)

    def first_after(self, at: datetime) -> datetime | None:
        raw = self._raw().filter(checked_at__gt=at).aggregate(at=Min("checked_at"))["at"]
        days = self._days().filter(day__gte=_day(at)).order_by("day")
        return min(filter(None, (raw, self._first_found(days, lambda time: time > at, min))), default=None)

    def _raw(self) -> QuerySet[WatchServerLog]:
        return WatchServerLog.objects.speaking().filter(service_id=self.service_id)

    def _days(self) -> QuerySet[FoldedChecks]:
        return FoldedChecks.objects.filter(service_id=self.service_id, blind_count__lt=F("row_count"))

    def _first_found(
        self,
        days: QuerySet[FoldedChecks],
        is_wanted: Callable[[datetime], bool],
        choose: Callable[[list[datetime]], datetime],
    ) -> datetime | None:
        """Open days one after another until one has a wanted check."""
        for day in dict.fromkeys(days.values_list("day", flat=True)):
            if times := [check.checked_at for check in _opened(days.filter(day=day)) if is_wanted(check.checked_at)]:
                return choose(times)
        return None


def _opened(days: QuerySet[FoldedChecks]) -> Iterator[Spoken]:
    for region, content in days.values_list("region", "content"):
        for check in CHECKS.unfold(bytes(content)):
            if not is_blind(check):
                yield Spoken(from_ms(check.checked_at_ms), region, check.verdict, check.interval_ms)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
