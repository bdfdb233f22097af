"""Bytes on disk of a check, raw and compressed, and the size of ninety days."""

import argparse
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import database

START = datetime(2025, 3, 10, tzinfo=UTC)
INTERVAL_S = 60
RAW_DAYS, KEPT_DAYS = 8, 90  # today and the week before it
CHECK_COLUMNS = (
    "checked_at",
    "response_time",
    "lateness_ms",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "first_byte_ms",
    "interval_ms",
    "status_code",
    "service_id",
    "region",
    "verdict",
    "error_type",
    "error_message",
)
REQUEST_COLUMNS = (
    "measured_at",
    "response_time",
    "status_code",
    "hop",
    "is_success",
    "is_final",
    "service_id",
    "region",
    "method",
    "error_message",
)
SIZES = """
    SELECT parent.relname || coalesce('_' || nullif(kind.name, 'heap'), ''), sum(kind.size)::bigint
    FROM pg_inherits JOIN pg_class AS parent ON parent.oid = inhparent
    CROSS JOIN LATERAL (
        SELECT 'heap', pg_table_size(inhrelid)
        UNION ALL
        SELECT regexp_replace(index.relname, '^.*_[0-9]{8}_', ''), pg_relation_size(indexrelid)
        FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid WHERE indrelid = inhrelid
    ) AS kind (name, size)
    WHERE parent.relkind = 'p'
    GROUP BY 1 HAVING sum(kind.size) > 0 ORDER BY 1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--days", type=int, default=3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Store days of checks as they arrive, measure their size, compress them, and measure again."""
    with database.migrated():
        from django.db import connection

        from monitoring.checks.compressed import moving

        checks = _store(options.services, options.days)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        raw = _sizes()
        began, cpu = time.perf_counter(), time.process_time()
        days = [START.date() + timedelta(days=number) for number in range(options.days + 1)]
        assert all([moving.compress_day(day, float("inf")) for day in days])
        compressing_s, compressing_cpu_s = time.perf_counter() - began, time.process_time() - cpu
        compressed = _sizes()
        read_ms = _read(options.days)
    raw_bytes, compressed_bytes = sum(raw.values()) / checks, sum(compressed.values()) / checks
    a_day = 100 * 86_400 // INTERVAL_S
    return {
        "services": options.services,
        "checks": checks,
        "raw_bytes_per_check": raw_bytes,
        "raw_parts": {name: size / checks for name, size in raw.items()},
        "compressed_bytes_per_check": compressed_bytes,
        "compressed_parts": {name: size / checks for name, size in compressed.items()},
        "compressing_us_per_check": 1e6 * compressing_s / checks,
        "compressing_python_us_per_check": 1e6 * compressing_cpu_s / checks,
        "page_of_compressed_checks_ms": read_ms,
        "hundred_services_ninety_days_mb": a_day
        * (RAW_DAYS * raw_bytes + (KEPT_DAYS - RAW_DAYS) * compressed_bytes)
        / 1e6,
    }


def as_table(figures: dict[str, Any]) -> str:
    def parts(name: str) -> str:
        return ", ".join(f"{part} {size:.1f}" for part, size in figures[name].items())

    rows = [
        ("raw, both tables with indexes, B a check", f"{figures['raw_bytes_per_check']:.0f}"),
        ("– of it", parts("raw_parts")),
        ("compressed, both tables with indexes, B a check", f"{figures['compressed_bytes_per_check']:.1f}"),
        ("– of it", parts("compressed_parts")),
        ("compression, µs a check (Python's share of it)",
         f"{figures['compressing_us_per_check']:.0f} ({figures['compressing_python_us_per_check']:.0f})"),
        ("a page of 50 compressed checks of a service, ms", f"{figures['page_of_compressed_checks_ms']:.0f}"),
        ("100 services, 60 s, 90 days: computed from these, MB", f"{figures['hundred_services_ninety_days_mb']:.0f}"),
    ]  # fmt: skip
    head = f"{figures['checks']:,} checks of {figures['services']} services over TLS"
    return "\n".join([head, "", "| figure | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _store(services: int, days: int) -> int:
    """Store every check in the order of time, as indexes grow in production."""
    from database import partitions
    from database.copying import copy_rows
    from monitoring.models.raw import RAW_TABLES

    for table in RAW_TABLES:
        partitions.ensure(table, {START.date() + timedelta(days=number) for number in range(days + 1)})
    stored, numbers = 0, random.Random(1)
    cast = [
        (f"service-{number:04}", numbers.uniform(5, 80), numbers.randrange(INTERVAL_S)) for number in range(services)
    ]
    for hour in range(24 * days):
        batch = sorted(_checks(cast, START + timedelta(hours=hour), numbers))
        stored += copy_rows(RAW_TABLES[0], CHECK_COLUMNS, batch)
        copy_rows(RAW_TABLES[1], REQUEST_COLUMNS, map(_request, batch))
    return stored


def _checks(cast: list[tuple[str, float, int]], hour: datetime, numbers: random.Random) -> Iterator[tuple[Any, ...]]:
    """Yield an hour's checks: durations scatter as over the internet, one in five hundred fails."""
    for service_id, way_ms, phase_s in cast:
        for minute in range(60):
            at = hour + timedelta(minutes=minute, seconds=phase_s, milliseconds=sum(map(ord, service_id)))
            dns, connect, tls, first_byte = (
                way_ms * share * numbers.lognormvariate(0, 0.2) for share in (0.02, 1, 1.3, 2)
            )
            total = dns + connect + tls + first_byte + numbers.uniform(0.1, 0.4)
            lateness, is_bad = numbers.expovariate(3), numbers.random() < 0.002
            kept = [round(value, 2) for value in (total, lateness, dns, connect, tls)]
            outcome = (None, 60_000, None) if is_bad else (round(first_byte, 2), 60_000, 200)
            verdict = ("bad", "timeout", "no answer within 5 s") if is_bad else ("ok", None, None)
            yield (at, *kept, *outcome, service_id, "default", *verdict)


def _request(check: tuple[Any, ...]) -> tuple[Any, ...]:
    at, total, lateness, *_phases, status, service_id, region, verdict, _class, message = check
    began = at + timedelta(milliseconds=round(lateness))
    return (began, round(total - 0.03, 2), status, 0, verdict == "ok", True, service_id, region, "GET", message)


def _sizes() -> dict[str, int]:
    """Return the bytes of all day partitions by table and index."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(SIZES)
        return dict(cursor.fetchall())


def _read(days: int) -> float:
    from monitoring.checks import check_search
    from monitoring.checks.check_search import Wanted

    wanted = Wanted(since=START, until=START + timedelta(days=days), service_id="service-0001")
    began = time.perf_counter()
    assert len(check_search.read(wanted).checks) == check_search.ROWS
    return (time.perf_counter() - began) * 1000
