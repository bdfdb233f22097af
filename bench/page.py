"""The public page of 500 services with 90 days each: the first response of a new process, and one after a change."""

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench.rollup import set_up
from slamonitor.embedded.postgres import EmbeddedPostgres

NOW = datetime(2025, 6, 10, 12, tzinfo=UTC)

# Each tenth day of a service has different downtime, each thirtieth a gap, so that days are seldom equal.
DAYS = """
    INSERT INTO uptime_records (
        service_id, date, status, uptime_percentage, coverage_percentage, operational_s, partial_s, down_s, unknown_s,
        maintenance_s, paused_s, empty_s, total_checks, successful_checks, failed_checks, is_settled, metadata,
        policy_id, created_at, updated_at
    )
    SELECT
        service.id, day, CASE WHEN down > 0 THEN 'po' ELSE 'o' END, 99, 100, 86400 - down - gap, 0, down, gap, 0, 0, 0,
        1440, 1440, 0, TRUE, '{}',
        (SELECT min(id) FROM accounting_policies), now(), now()
    FROM services AS service
    CROSS JOIN LATERAL (SELECT abs(hashtext(service.id)) %% 10007 AS seed) AS seeded
    CROSS JOIN generate_series(%(first)s::date, %(last)s::date, '1 day') AS day
    CROSS JOIN LATERAL (SELECT extract(doy FROM day)::integer + seed AS n) AS numbered
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n %% 10 = 0 THEN 60 + n * 37 %% 1800 ELSE 0 END AS down,
            CASE WHEN n %% 30 = 7 THEN n * 53 %% 3600 ELSE 0 END AS gap
    ) AS parts
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres.running(Path(folder) / "state", durable=True) as url:
            set_up(url)
            _fill(options.services)
            return _measure(options)


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    rows = [("first page, ms", figures["cold_ms"]), ("page after a change, ms", figures["again_ms"])]
    return "\n".join(
        [
            f"{figures['services']:,} services",
            "",
            "| figure | median | spread |",
            "| --- | --- | --- |",
            *(f"| {name} | {median(v):.0f} | {min(v):.0f} – {max(v):.0f} |" for name, v in rows),
            f"| bytes, gzip | {figures['gzip_bytes']:,} | |",
        ]
    )


def _fill(count: int) -> None:
    from django.db import connection

    from monitoring.models import Service, ServiceState

    ids = [f"bench-{number:06}" for number in range(1, count + 1)]
    Service.objects.bulk_create(
        Service(id=id, name=id, display_name=f"Bench {id}", endpoint_url="http://127.0.0.1/") for id in ids
    )
    Service.objects.update(status="o", created_at=NOW - timedelta(days=100))
    ServiceState.objects.bulk_create(
        ServiceState(
            service_id=id,
            status="o",
            verdict="ok",
            run_first_at=NOW - timedelta(days=1),
            run_last_at=NOW,
            run_count=1440,
            run_hold_s=150,
            stale_at=NOW + timedelta(days=1),
            last_response_ms=84.4,
        )
        for id in ids
    )
    with connection.cursor() as cursor:
        cursor.execute(DAYS, {"first": NOW.date() - timedelta(days=89), "last": NOW.date()})
        cursor.execute("VACUUM ANALYZE")


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make the page as a web process does; caches between editions are cleared before each cold round."""
    cold, again, answer = [], [], None
    for _ in range(options.rounds):
        _forget()
        cold.append(_edition()[0])
        took, answer = _edition()
        again.append(took)
    return {
        "services": options.services,
        "cold_ms": cold,
        "again_ms": again,
        "gzip_bytes": len(answer.gzipped),  # type: ignore[union-attr]
    }


def _edition() -> tuple[float, Any]:
    """Read and render the page for a visitor, and return the duration in milliseconds and the response."""
    from zoneinfo import ZoneInfo

    from statuspage import readmodel, rendering

    began = time.perf_counter()
    model = readmodel.read(NOW, 0, ZoneInfo("UTC"))
    answer = rendering.render(model, "en")
    return (time.perf_counter() - began) * 1000, answer


def _forget() -> None:
    from functools import _lru_cache_wrapper

    from monitoring.accounting import stored_days
    from statuspage import bars, rendering

    for module in (stored_days, bars, rendering):
        for kept in vars(module).values():
            if isinstance(kept, _lru_cache_wrapper):
                kept.cache_clear()
