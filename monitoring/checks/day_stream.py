"""Read a day of raw rows, packed by service, in one pass, for the nightly roll-up."""

from array import array
from collections.abc import Iterator, Mapping
from sys import byteorder
from typing import Any

from django.db import connection

from database.sql import statement

# A day of one service is a few kilobytes; a hundred of them are fetched at a time.
FETCHED = 100
# Memory for the strings of about five million rows before PostgreSQL writes them to disk; for this statement only.
SETTINGS = [("work_mem", "64MB"), ("cursor_tuple_fraction", "1")]


def rows(name: str, parameters: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Stream the rows of a statement in `sql/`, in PostgreSQL's binary format. Must run in a transaction."""
    with connection.cursor() as cursor:
        cursor.executemany("SELECT set_config(%s, %s, TRUE)", SETTINGS)
    with connection.connection.cursor(name=name, binary=True) as stream:
        stream.itersize = FETCHED
        stream.execute(statement("monitoring", name), parameters)
        yield from stream


def unpacked(typecode: str, packed: bytes) -> list[Any]:
    """Return the numbers in a string packed by PostgreSQL, which writes the highest byte first."""
    numbers = array(typecode, packed)
    if byteorder == "little":
        numbers.byteswap()
    return numbers.tolist()
