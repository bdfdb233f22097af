"""Convert between instants and whole Unix milliseconds, as used in messages. Uses integers, since floats round."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)


def to_ms(instant: datetime) -> int:
    """Return Unix milliseconds, floored."""
    return (instant - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * MILLISECOND


def to_us(instant: datetime) -> int:
    """Return Unix microseconds, the precision of PostgreSQL."""
    return (instant - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND
