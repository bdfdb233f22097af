"""The two raw tables that are compressed, with the columns of their rows and the functions that compress them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from monitoring.checks.compressed.rows import (
    Check,
    Request,
    compress_checks,
    compress_requests,
    decompress_checks,
    decompress_requests,
)
from monitoring.models import ApiResponseTime, CompressedChecks, CompressedRequests, WatchServerLog
from monitoring.models.raw import BLIND_KEY
from monitoring.probes.model import Verdict

Row = TypeVar("Row", bound=Check | Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[Row]):
    """A raw table and the table of its compressed days."""

    raw: str
    compressed: str
    at: str  # the raw table's column of time
    make: Callable[[Iterable[Any]], Row]
    names: tuple[str, ...]  # of a row: the time in Unix milliseconds, then columns of the raw table
    compress: Callable[[Sequence[Row]], bytes]
    decompress: Callable[[bytes], list[Row]]
    counts: Mapping[str, Callable[[Row], bool]] = field(default_factory=dict)  # columns of the compressed table

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the raw table's columns of a row, the time first."""
        return (self.at, *self.names[1:])


def is_blind(check: Check) -> bool:
    """Return whether a check is a failure of our own network, which does not count for the service."""
    return check.metadata is not None and BLIND_KEY in json.loads(check.metadata)


CHECKS = Kind(
    raw=WatchServerLog._meta.db_table,
    compressed=CompressedChecks._meta.db_table,
    at="checked_at",
    make=Check._make,
    names=Check._fields,
    compress=compress_checks,
    decompress=decompress_checks,
    counts={"bad_count": lambda check: check.verdict == Verdict.BAD, "blind_count": is_blind},
)
REQUESTS = Kind(
    raw=ApiResponseTime._meta.db_table,
    compressed=CompressedRequests._meta.db_table,
    at="measured_at",
    make=Request._make,
    names=Request._fields,
    compress=compress_requests,
    decompress=decompress_requests,
)
KINDS: tuple[Kind[Any], ...] = (CHECKS, REQUESTS)
