"""Compress the checks, or the requests, of one service in one region on one day to a few bytes. Pure.

Compression is lossless: `decompress_checks(compress_checks(rows)) == rows` for all rows that the raw table can hold. A
value that other columns nearly determine is stored as the difference to them: the response time of a check is about the
sum of its phases.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from monitoring.checks.compressed.columns import Damaged, Holes, Reader, Writer

VERSION = 1


class Check(NamedTuple):
    """A row of `watch_server_logs` without its service and region, and without `is_healthy`, which can be computed."""

    checked_at_ms: int  # Unix time
    response_time: float | None
    lateness_ms: float
    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    interval_ms: int
    status_code: int | None
    verdict: str
    error_type: str | None
    error_message: str | None
    metadata: str | None  # JSON as PostgreSQL writes it


class Request(NamedTuple):
    """A row of `api_response_times` without its service and region."""

    measured_at_ms: int  # Unix time
    response_time: float | None
    status_code: int | None
    hop: int
    is_success: bool
    is_final: bool
    method: str
    endpoint: str | None
    error_message: str | None
    metadata: str | None


PHASES = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms")
CHECK_TEXTS = ("verdict", "error_type", "error_message", "metadata")
REQUEST_TEXTS = ("method", "endpoint", "error_message", "metadata")


def compress_checks(rows: Sequence[Check]) -> bytes:
    """Compress checks and keep their order; the order of time takes the fewest bytes."""
    writer = _begun(rows)
    columns = _columns(rows, Check._fields)
    writer.integers(columns["checked_at_ms"])
    writer.integers(columns["interval_ms"])
    writer.integers(writer.optional(columns["status_code"]))
    writer.texts([columns[name] for name in CHECK_TEXTS])
    writer.reals(columns["lateness_ms"])
    sums = [0] * len(rows)
    for name in PHASES:
        hundredths = writer.reals(writer.optional(columns[name]))
        sums = _added(sums, Holes.of(columns[name]), hundredths)
    expected = Holes.of(columns["response_time"]).pick(sums)
    writer.reals(writer.optional(columns["response_time"]), expected)
    return writer.content()


def decompress_checks(content: bytes) -> list[Check]:
    """Read what `compress_checks` wrote. Raises Damaged."""
    reader, count = _opened(content)
    times, intervals = reader.integers(count), reader.integers(count)
    status_codes = _optional_integers(reader, count)
    texts = reader.texts([count] * len(CHECK_TEXTS))
    lateness, _ = reader.reals(count)
    sums, phases = [0] * count, []
    for _name in PHASES:
        holes = reader.optional(count)
        values, hundredths = reader.reals(holes.count)
        phases.append(holes.fill(values))
        sums = _added(sums, holes, hundredths)
    holes = reader.optional(count)
    values, _ = reader.reals(holes.count, holes.pick(sums))
    columns = (times, holes.fill(values), lateness, *phases, intervals, status_codes, *texts)
    return [Check._make(row) for row in zip(*columns, strict=True)]


def compress_requests(rows: Sequence[Request]) -> bytes:
    """Compress requests and keep their order; the order of time takes the fewest bytes."""
    writer = _begun(rows)
    columns = _columns(rows, Request._fields)
    writer.integers(columns["measured_at_ms"])
    writer.reals(writer.optional(columns["response_time"]))
    writer.integers(writer.optional(columns["status_code"]))
    for name in ("hop", "is_success", "is_final"):
        writer.integers(columns[name])
    writer.texts([columns[name] for name in REQUEST_TEXTS])
    return writer.content()


def decompress_requests(content: bytes) -> list[Request]:
    """Read what `compress_requests` wrote. Raises Damaged."""
    reader, count = _opened(content)
    times = reader.integers(count)
    holes = reader.optional(count)
    values, _ = reader.reals(holes.count)
    status_codes, hops = _optional_integers(reader, count), reader.integers(count)
    is_success, is_final = (list(map(bool, reader.integers(count))) for _ in range(2))
    texts = reader.texts([count] * len(REQUEST_TEXTS))
    columns = (times, holes.fill(values), status_codes, hops, is_success, is_final, *texts)
    return [Request._make(row) for row in zip(*columns, strict=True)]


def _begun(rows: Sequence[object]) -> Writer:
    writer = Writer()
    writer.number(VERSION)
    writer.number(len(rows))
    return writer


def _opened(content: bytes) -> tuple[Reader, int]:
    reader = Reader(content)
    if (version := reader.number()) != VERSION:
        raise Damaged(f"was written as version {version}; this release reads version {VERSION}")
    return reader, reader.number()


def _columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    values = zip(*rows, strict=True) if rows else [()] * len(names)
    return dict(zip(names, values, strict=True))


def _optional_integers(reader: Reader, count: int) -> list[int | None]:
    holes = reader.optional(count)
    return holes.fill(reader.integers(holes.count))


def _added(sums: Sequence[int], holes: Holes, hundredths: Sequence[int] | None) -> list[int]:
    """Add a column to the sum of each row, if the column is in hundredths; its empty values count as 0."""
    if hundredths is None:
        return list(sums)
    return [so_far + (more or 0) for so_far, more in zip(sums, holes.fill(hundredths), strict=True)]
