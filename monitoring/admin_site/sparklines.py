"""Sparklines of services, the size of a word: hourly response times of the last 24 hours, and the share of failures."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.models import ServiceHour

HOURS = 24
WIDTH, HEIGHT, FOOT = 144, 28, 4  # FOOT: the space below the line of response times
STEP = WIDTH / HOURS
LEAST_BAR = 1.5  # so that a single failed check in an hour can be seen


class MeanHour(NamedTuple):
    """One hour of a service; without a check by default."""

    mean_ms: float | None = None  # None: no answer
    bad: int = 0  # failed checks
    total: int = 0


class BadBar(NamedTuple):
    """The bar of an hour with failures. It rises from the bottom; the full height means that every check failed."""

    x: str
    y: str
    height: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """Shapes in a box of WIDTH × HEIGHT, and the numbers that they show."""

    lines: Sequence[str]  # points of polylines; hours without an answer separate them
    dots: Sequence[tuple[str, str]]  # single hours between hours without an answer
    bars: Sequence[BadBar]
    lowest_ms: float | None
    highest_ms: float | None
    bad_count: int


def sparklines(service_ids: Collection[str], now: datetime) -> dict[str, Sparkline]:
    """Draw the last 24 hours of these services. One query, however many there are."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    # Each hour by value: a range would scan the hours of all other services.
    hours = [this_hour - timedelta(hours=back) for back in reversed(range(HOURS))]
    rows: dict[str, list[ServiceHour | None]] = {id: [None] * HOURS for id in service_ids}
    for row in ServiceHour.objects.filter(hour_at__in=hours, service_id__in=service_ids):
        rows[row.service_id][hours.index(row.hour_at)] = row
    return {id: draw([_hour(row) for row in found]) for id, found in rows.items()}


def draw(hours: Sequence[MeanHour]) -> Sparkline:
    """Draw hours, oldest first.

    The scale begins at 0: a service that is twice as slow looks twice as slow.
    """
    means = [hour.mean_ms for hour in hours if hour.mean_ms is not None]
    highest = max(means, default=0.0)
    stretches = list(_stretches([hour.mean_ms for hour in hours], highest))
    return Sparkline(
        lines=[" ".join(f"{x},{y}" for x, y in points) for points in stretches if len(points) > 1],
        dots=[points[0] for points in stretches if len(points) == 1],
        bars=[_bar(index, hour.bad / hour.total) for index, hour in enumerate(hours) if hour.bad],
        lowest_ms=min(means, default=None),
        highest_ms=max(means, default=None),
        bad_count=sum(hour.bad for hour in hours),
    )


def _bar(index: int, share: float) -> BadBar:
    height = max(LEAST_BAR, share * HEIGHT)
    return BadBar(f"{index * STEP:.1f}", f"{HEIGHT - height:.1f}", f"{height:.1f}")


def _hour(row: ServiceHour | None) -> MeanHour:
    if row is None:
        return MeanHour()
    answered = row.ok_count + row.slow_count if row.answered_count is None else row.answered_count
    mean_ms = row.response_ms_sum / answered if answered else None
    return MeanHour(mean_ms, row.bad_count, row.ok_count + row.slow_count + row.bad_count)


def _stretches(means: Iterable[float | None], highest: float) -> Iterable[list[tuple[str, str]]]:
    """Yield the points of consecutive hours without a gap."""
    points: list[tuple[str, str]] = []
    for index, mean in enumerate(means):
        if mean is None:
            if points:
                yield points
            points = []
            continue
        height = HEIGHT - FOOT - 2
        y = 1 + height - (mean / highest * height if highest else 0)
        points.append((f"{(index + 0.5) * STEP:.1f}", f"{y:.1f}"))
    if points:
        yield points
