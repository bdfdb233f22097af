"""Pass many values in one statement, and read many back, without a call of psycopg's for each of them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg.types.datetime import TimestamptzLoader


def array(values: Iterable[object]) -> str:
    """Write texts, numbers, truth values and instants as a PostgreSQL array; None is NULL.

    The statement names the type: `%(ids)s::text[]`. Raises TypeError for other values.
    """
    return "{" + ",".join([(WRITERS.get(type(value)) or _writer(value))(value) for value in values]) + "}"


def read_instants_fast(cursor: CursorWrapper) -> None:
    """Let a cursor read instants by psycopg's loader, in C; Django's is in Python and is called for each value."""
    cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)


def _text(value: str) -> str:
    if value.isalnum() and value.isascii() and value.lower() != "null":
        return str.__str__(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


WRITERS: dict[type, Callable[[Any], str]] = {
    float: float.__repr__,
    int: int.__repr__,
    str: _text,
    type(None): lambda _value: "NULL",
    bool: lambda value: "t" if value else "f",
    datetime: datetime.isoformat,
}


def _writer(value: object) -> Callable[[Any], str]:
    """Return the writer for a subclass, such as the member of an enumeration, and cache it."""
    for base in type(value).__mro__:
        if base in WRITERS:
            return WRITERS.setdefault(type(value), WRITERS[base])
    raise TypeError(f"no element of an array: {value!r}")
