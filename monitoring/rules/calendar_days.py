"""Calendar days of the page's time zone, which may have 23, 24, 24.5 or 25 hours."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo


def bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the instants at which a day begins and ends, [start, end), in the zone.

    If midnight does not exist (clocks set forward at midnight), the day begins at the first instant that does.
    """
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def day_of(instant: datetime, zone: tzinfo) -> date:
    return instant.astimezone(zone).date()


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield the days from the first to the last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def _midnight(day: date, zone: tzinfo) -> datetime:
    # If midnight occurs twice, fold=0 takes the earlier one. If the clocks skip it, the offset before the change maps
    # it to the instant of the change, which is the first one of the day.
    return datetime.combine(day, time(), zone)
