"""Read all checks of one service that count, raw or compressed, to rebuild its runs.

Bad checks of a blind region do not count (`monitoring/engine/blindness.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db.models import F, Max, Min, QuerySet
from django.db.models.functions import Trunc

from monitoring.checks.compressed.kinds import CHECKS, is_blind
from monitoring.models import CompressedChecks, WatchServerLog
from monitoring.rules.regions import second_of
from monitoring.rules.unix_time import from_ms


class Spoken(NamedTuple):
    """The columns of a check that runs depend on."""

    checked_at: datetime
    region: str
    verdict: str
    interval_ms: int


@dataclass(frozen=True, slots=True)
class SpokenChecks:
    """The checks of one service. Stretches include both ends, as a run is given by its first and last check."""

    service_id: str

    def between(self, since: datetime, until: datetime) -> list[Spoken]:
        """Return the checks from `since` to `until` in order of time and region. Two queries."""
        raw = self._raw().filter(checked_at__gte=since, checked_at__lte=until).values_list(*Spoken._fields)
        compressed = _opened(self._days().filter(day__range=(_day(since), _day(until))))
        return sorted([*map(Spoken._make, raw), *(check for check in compressed if since <= check.checked_at <= until)])

    def newest_before(self, at: datetime, within: timedelta) -> list[Spoken]:
        """Return the newest check of each region within a length of time before an instant. Two queries."""
        since = at - within
        raw = self._raw().filter(checked_at__gte=since, checked_at__lt=at).order_by("region", "-checked_at")
        found = [Spoken._make(row) for row in raw.distinct("region").values_list(*Spoken._fields)]
        compressed = _opened(self._days().filter(day__range=(_day(since), _day(at))))
        found += [check for check in compressed if since <= check.checked_at < at]
        return list({check.region: check for check in sorted(found)}.values())

    def seconds(self, since: datetime, until: datetime) -> set[int]:
        """Return the seconds (Unix time) from `since` to `until` in which there are checks. Two queries."""
        raw = self._raw().filter(checked_at__gte=since, checked_at__lte=until)
        seconds = raw.annotate(second=Trunc("checked_at", "second")).values_list("second", flat=True).distinct()
        compressed = _opened(self._days().filter(day__range=(_day(since), _day(until))))
        return {
            *map(second_of, seconds.order_by()),
            *(second_of(check.checked_at) for check in compressed if since <= check.checked_at <= until),
        }

    def last_before(self, at: datetime) -> datetime | None:
        """Return the instant of the last check before `at`, which identifies its slot."""
        raw = self._raw().filter(checked_at__lt=at).aggregate(at=Max("checked_at"))["at"]
        days = self._days().filter(day__lte=_day(at)).order_by("-day")
        return max(filter(None, (raw, self._first_found(days, lambda time: time < at, max))), default=None)

    def first_slot_after(self, at: datetime) -> datetime | None:
        """Return the instant of the first slot after `at`: that of the last check in its second."""
        raw = self._raw().filter(checked_at__gt=at).aggregate(at=Min("checked_at"))["at"]
        days = self._days().filter(day__gte=_day(at)).order_by("day")
        first = min(filter(None, (raw, self._first_found(days, lambda time: time > at, min))), default=None)
        return first and max(check.checked_at for check in self.between(first, end_of_second(first)))

    def _raw(self) -> QuerySet[WatchServerLog]:
        return WatchServerLog.objects.speaking().filter(service_id=self.service_id)

    def _days(self) -> QuerySet[CompressedChecks]:
        return CompressedChecks.objects.filter(service_id=self.service_id, blind_count__lt=F("row_count"))

    def _first_found(
        self,
        days: QuerySet[CompressedChecks],
        is_wanted: Callable[[datetime], bool],
        choose: Callable[[list[datetime]], datetime],
    ) -> datetime | None:
        """Decompress days one after another until one has a wanted check."""
        for day in dict.fromkeys(days.values_list("day", flat=True)):
            if times := [check.checked_at for check in _opened(days.filter(day=day)) if is_wanted(check.checked_at)]:
                return choose(times)
        return None


def _opened(days: QuerySet[CompressedChecks]) -> Iterator[Spoken]:
    for region, content in days.values_list("region", "content"):
        for check in CHECKS.decompress(bytes(content)):
            if not is_blind(check):
                yield Spoken(from_ms(check.checked_at_ms), region, check.verdict, check.interval_ms)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def start_of_second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def end_of_second(at: datetime) -> datetime:
    """Return the last instant of a second, in PostgreSQL's precision."""
    return at.replace(microsecond=999_999)
