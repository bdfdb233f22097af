"""The two raw tables that are folded: which rows they have, and how a day of them is written."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from monitoring.checks.compressed.rows import Check, Request, fold_checks, fold_requests, unfold_checks, unfold_requests
from monitoring.models import ApiResponseTime, FoldedChecks, FoldedRequests, WatchServerLog
from monitoring.models.raw import BLIND_KEY
from monitoring.probes.model import Verdict

Row = TypeVar("Row", bound=Check | Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[Row]):
    """A raw table and the table of its folded days."""

    raw: str
    folded: str
    at: str  # the raw table's column of time
    make: Callable[[Iterable[Any]], Row]
    names: tuple[str, ...]  # of a row: the time in Unix milliseconds, then columns of the raw table
    fold: Callable[[Sequence[Row]], bytes]
    unfold: Callable[[bytes], list[Row]]
    counts: Mapping[str, Callable[[Row], bool]] = field(default_factory=dict)  # columns of the folded table

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the raw table's columns of a row, the time first."""
        return (self.at, *self.names[1:])


def is_blind(check: Check) -> bool:
    """Say whether it is a failure of our own network, which says nothing of the service."""
    return check.metadata is not None and BLIND_KEY in json.loads(check.metadata)


CHECKS = Kind(
    raw=WatchServerLog._meta.db_table,
    folded=FoldedChecks._meta.db_table,
    at="checked_at",
    make=Check._make,
    names=Check._fields,
    fold=fold_checks,
    unfold=unfold_checks,
    counts={"bad_count": lambda check: check.verdict == Verdict.BAD, "blind_count": is_blind},
)
REQUESTS = Kind(
    raw=ApiResponseTime._meta.db_table,
    folded=FoldedRequests._meta.db_table,
    at="measured_at",
    make=Request._make,
    names=Request._fields,
    fold=fold_requests,
    unfold=unfold_requests,
)
KINDS: tuple[Kind[Any], ...] = (CHECKS, REQUESTS)
