"""Sparklines of services, the size of a word: hourly response times of the last 24 hours, and hours with failures."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.models import ServiceHour

HOURS = 24
WIDTH, HEIGHT, MARK = 144, 28, 4  # MARK: the height of the marks of failures, at the bottom
STEP = WIDTH / HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """Shapes in a box of WIDTH × HEIGHT, and the numbers that they show."""

    lines: Sequence[str]  # points of polylines; hours without an answer separate them
    dots: Sequence[tuple[str, str]]  # single hours between hours without an answer
    bad: Sequence[tuple[str, int]]  # x of each hour with failures, and how many
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
    return {id: draw([_means(row) for row in found]) for id, found in rows.items()}


def draw(hours: Sequence[tuple[float | None, int]]) -> Sparkline:
    """Draw hours, oldest first, from their mean response time (None: no answer) and number of bad checks.

    The scale begins at 0: a service that is twice as slow looks twice as slow.
    """
    means = [mean for mean, _bad in hours if mean is not None]
    highest = max(means, default=0.0)
    stretches = list(_stretches([mean for mean, _bad in hours], highest))
    return Sparkline(
        lines=[" ".join(f"{x},{y}" for x, y in points) for points in stretches if len(points) > 1],
        dots=[points[0] for points in stretches if len(points) == 1],
        bad=[(f"{index * STEP:.1f}", bad) for index, (_mean, bad) in enumerate(hours) if bad],
        lowest_ms=min(means, default=None),
        highest_ms=max(means, default=None),
        bad_count=sum(bad for _mean, bad in hours),
    )


def _means(row: ServiceHour | None) -> tuple[float | None, int]:
    if row is None:
        return None, 0
    answered = row.ok_count + row.slow_count if row.answered_count is None else row.answered_count
    return (row.response_ms_sum / answered if answered else None), row.bad_count


def _stretches(means: Iterable[float | None], highest: float) -> Iterable[list[tuple[str, str]]]:
    """Yield the points of consecutive hours without a gap."""
    points: list[tuple[str, str]] = []
    for index, mean in enumerate(means):
        if mean is None:
            if points:
                yield points
            points = []
            continue
        height = HEIGHT - MARK - 2
        y = 1 + height - (mean / highest * height if highest else 0)
        points.append((f"{(index + 0.5) * STEP:.1f}", f"{y:.1f}"))
    if points:
        yield points
