"""Hand many values over in one statement, and take many back, without a call of psycopg's for each of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg.types.datetime import TimestamptzLoader


def array(values: Iterable[object]) -> str:
    """Write texts, numbers, truth values and instants as PostgreSQL reads an array; None is NULL.

    The statement says of which type it is: `%(ids)s::text[]`. Raises TypeError for other values.
    """
    return "{" + ",".join([_element(value) for value in values]) + "}"


def read_instants_fast(cursor: CursorWrapper) -> None:
    """Let a cursor read instants by psycopg's own loader, in C; Django's is in Python and is called for each value."""
    cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        if value.isalnum() and value.isascii() and value.lower() != "null":
            return str.__str__(value)
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int | float):
        return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)  # members of IntEnum, too
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no element of an array: {value!r}")
