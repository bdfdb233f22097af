"""Read the raw checks of a day by service: their counts, and their runs of equal verdicts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from operator import sub

from monitoring.checks import day_stream
from monitoring.models.raw import BLIND_KEY
from monitoring.probes.model import Verdict
from monitoring.rules.answers import average_ms
from monitoring.rules.state import Run

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here
SECOND = 1_000_000  # µs
VERDICTS = {verdict.value[0]: verdict for verdict in Verdict}
RUN = re.compile(r"(.)\1*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfChecks:
    """One day of one service. The sequences are in order of time, with at most one check a second.

    They do not contain failures of our own network.
    """

    service_id: str
    total: int
    healthy: int
    average_ms: float | None  # of answers
    instants: list[int]  # µs since `EPOCH`
    intervals_ms: list[int]
    verdicts: str  # one letter a check


def read(start: datetime, end: datetime, first_id: str, last_id: str) -> Iterator[DayOfChecks]:
    """Stream the days of the services in a range of ids that have checks in [start, end). Must run in a transaction."""
    parameters = {"start": start, "end": end, "first_id": first_id, "last_id": last_id, "blind": BLIND_KEY}
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


def runs(day: DayOfChecks, gap_factor: Fraction) -> list[Run]:
    """Encode the checks of a day from one region as runs, like the recorded ones, as far as they are in the day."""
    begins = sorted({match.start() for match in RUN.finditer(day.verdicts)} | _gaps(day, gap_factor))
    return [
        Run(
            verdict=VERDICTS[day.verdicts[k]],
            first_at=instant(day.instants[k]),
            last_at=instant(day.instants[following - 1]),
            check_count=following - k,
            hold_s=_hold_s(day.intervals_ms[k], gap_factor),
        )
        for k, following in zip(begins, [*begins[1:], len(day.instants)], strict=False)
    ]


def instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _gaps(day: DayOfChecks, gap_factor: Fraction) -> set[int]:
    """Return the positions where the previous check is longer ago than its hold, or where the hold changes."""
    holds = {interval: _hold_s(interval, gap_factor) for interval in set(day.intervals_ms)}
    if not holds:
        return set()
    # Most days have none, which this quick test shows: floored to seconds, a gap is longer by less than a second.
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


def _hold_s(interval_ms: int, gap_factor: Fraction) -> int:
    return ceil(interval_ms * gap_factor / 1000)


def _steps(instants: list[int]) -> list[int]:
    return list(map(sub, instants[1:], instants))


def _in_order(day: DayOfChecks) -> DayOfChecks:
    """Sort the checks by time, as they are stored in order of arrival, and keep only the last check of each second.

    Most days are sorted already, which takes one pass.
    """
    if min(_steps(day.instants), default=SECOND) >= SECOND:
        return day
    order = sorted(range(len(day.instants)), key=day.instants.__getitem__)
    last = {day.instants[k] // SECOND: k for k in order}
    return replace(
        day,
        instants=[day.instants[k] for k in last.values()],
        intervals_ms=[day.intervals_ms[k] for k in last.values()],
        verdicts="".join(day.verdicts[k] for k in last.values()),
    )
