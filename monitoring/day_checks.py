"""The raw checks of a day by service: their counts, and where a run of equal verdicts begins."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from operator import sub

from monitoring import day_stream
from monitoring.answers import average_ms
from monitoring.models.raw import BLIND
from monitoring.probes.model import Verdict

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here
SECOND = 1_000_000  # µs
VERDICTS = {verdict.value[0]: verdict.value for verdict in Verdict}
RUN = re.compile(r"(.)\1*")

Start = tuple[datetime, str]  # when a run begins, and its verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfChecks:
    """One day of one service. The sequences run in the order of time; failures of our own network are not in them."""

    service_id: str
    total: int
    healthy: int
    average_ms: float | None  # of answers
    instants: list[int]  # µs since `EPOCH`
    intervals_ms: list[int]
    verdicts: str  # a letter each

    @property
    def first_at(self) -> datetime | None:
        return instant(self.instants[0]) if self.instants else None


def read(start: datetime, end: datetime, first_id: str, last_id: str) -> Iterator[DayOfChecks]:
    """Stream the days of the services in a range of ids that have checks in [start, end). Must run in a transaction."""
    parameters = {"start": start, "end": end, "first_id": first_id, "last_id": last_id, "blind": BLIND}
    for id, total, healthy, answered, hundredths, *packed in day_stream.rows("day_of_raw_checks", parameters):
        instants, intervals, verdicts = packed
        day = DayOfChecks(
            service_id=id,
            total=total,
            healthy=healthy,
            average_ms=average_ms(answered, hundredths),
            instants=day_stream.unpacked("q", instants),
            intervals_ms=day_stream.unpacked("i", intervals),
            verdicts=verdicts,
        )
        yield _in_order(day)


def starts(day: DayOfChecks, gap_factor: Fraction) -> set[Start]:
    """Return where new runs begin: another verdict, another hold, or a gap; in whole seconds, as runs are recorded.

    The first check of the day begins nothing that can be known here.
    """
    begins = {match.start() for match in RUN.finditer(day.verdicts)} | _gaps(day, gap_factor)
    return {(instant(day.instants[k]), VERDICTS[day.verdicts[k]]) for k in begins if k > 0}


def instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _gaps(day: DayOfChecks, gap_factor: Fraction) -> set[int]:
    """Return the positions before which the time since the last check is longer than its hold, or the hold changes."""
    holds = {interval: ceil(interval * gap_factor / 1000) for interval in set(day.intervals_ms)}
    if not holds:
        return set()
    # Most days have none: no gap in whole seconds is more than a second longer than it is.
    longest = (min(holds.values()) - 1) * SECOND
    if len(holds) == 1 and max(_steps(day.instants), default=0) < longest:
        return set()
    at, interval = day.instants, day.intervals_ms
    return {
        k
        for k in range(1, len(at))
        if holds[interval[k]] != holds[interval[k - 1]]
        or at[k] // SECOND - at[k - 1] // SECOND > holds[interval[k - 1]]
    }


def _steps(instants: list[int]) -> list[int]:
    return list(map(sub, instants[1:], instants))


def _in_order(day: DayOfChecks) -> DayOfChecks:
    """Sort by time what was stored in the order of arrival, which mostly is that of time."""
    if min(_steps(day.instants), default=0) >= 0:
        return day
    order = sorted(range(len(day.instants)), key=day.instants.__getitem__)
    return DayOfChecks(
        service_id=day.service_id,
        total=day.total,
        healthy=day.healthy,
        average_ms=day.average_ms,
        instants=[day.instants[k] for k in order],
        intervals_ms=[day.intervals_ms[k] for k in order],
        verdicts="".join(day.verdicts[k] for k in order),
    )
