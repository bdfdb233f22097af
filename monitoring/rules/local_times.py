"""The instant of a local time, which clocks may show twice (set back) or never (set forward)."""

from datetime import UTC, datetime, tzinfo


class Repeated(Exception):
    """Clocks show this time twice: at `first` and `second`, with different offsets."""

    def __init__(self, first: datetime, second: datetime) -> None:
        super().__init__(f"{first} or {second}")
        self.first, self.second = first, second


class Skipped(Exception):
    """Clocks never show this time; `before` and `after` are the nearest that they show."""

    def __init__(self, before: datetime, after: datetime) -> None:
        super().__init__(f"{before} or {after}")
        self.before, self.after = before, after


def instant_of(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant, in the zone, of a naive local time. Raises `Repeated` or `Skipped`.

    Raises `OverflowError` or `ValueError` within a day of the first and last possible date.
    """
    earlier, later = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if earlier.utcoffset() == later.utcoffset():
        earlier.astimezone(UTC)  # which fails at the edges of the calendar
        return earlier
    if _shown(earlier.astimezone(UTC), zone) != local:
        raise Skipped(*_around_gap(later.astimezone(UTC), earlier.astimezone(UTC), zone))
    raise Repeated(earlier, later)


def is_repeated(instant: datetime, zone: tzinfo) -> bool:
    """Return whether the local time of an instant is one that clocks show twice."""
    try:
        instant_of(_shown(instant, zone), zone)
    except Repeated:
        return True
    return False


def with_offset(instant: datetime, form: str) -> str:
    """Format an instant with its offset: `02:30 +02:00`."""
    return f"{instant:{form}} {instant.isoformat(timespec='seconds')[19:]}"


def _shown(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _around_gap(before: datetime, after: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the last second before clocks are set forward, and the first one after, between two instants."""
    offset, low, high = before.astimezone(zone).utcoffset(), int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(low, zone), datetime.fromtimestamp(high, zone)
