"""Work through many rows a batch at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the rows in lists of `size`, the last of which may be shorter."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch
