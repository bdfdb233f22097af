"""The nightly roll-up: a day of millions of raw checks accounted completely, and 90-day figures for a page."""

import argparse
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from slamonitor.embedded.postgres import EmbeddedPostgres

DAY = datetime(2025, 3, 10, tzinfo=UTC)
NOW = DAY + timedelta(days=1, hours=1)

# Each service is checked at even steps; one check in five hundred fails, and each tenth service has an outage at noon.
CHECKS = """
    INSERT INTO watch_server_logs (
        checked_at, response_time, lateness_ms, interval_ms, status_code, service_id, region, verdict, error_type
    )
    SELECT
        %(day)s + make_interval(secs => slot * %(step_s)s), 20 + 400 * power(random(), 4), 0.3, %(step_s)s * 1000, 200,
        'bench-' || lpad(service::text, 6, '0'), 'default', CASE WHEN bad THEN 'bad' ELSE 'ok' END,
        CASE WHEN bad THEN 'timeout' END
    FROM generate_series(0, %(checks)s - 1) AS slot
    CROSS JOIN generate_series(1, %(services)s) AS service
    CROSS JOIN LATERAL (
        SELECT (slot * 7919 + service) %% 500 = 0
            OR (service %% 10 = 0 AND slot BETWEEN %(checks)s / 2 AND %(checks)s / 2 + 20)
    ) AS failure (bad)
"""
REQUESTS = """
    INSERT INTO api_response_times (
        measured_at, response_time, status_code, hop, is_success, is_final, service_id, region, method
    )
    SELECT checked_at, response_time, status_code, 0, is_healthy, TRUE, service_id, region, 'GET' FROM watch_server_logs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=7000)
    parser.add_argument("--checks", type=int, default=1430, help="of each service in the day")
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres.running(Path(folder) / "state", durable=True) as url:
            set_up(url)
            return _measure(options)


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    rows = [
        ("roll-up of the day, s", figures["rollup_s"]),
        ("90-day figures of 500 services, ms", figures["ninety_days_ms"]),
    ]
    return "\n".join(
        [
            f"{figures['checks']:,} checks of {figures['services']:,} services",
            "",
            "| figure | median | spread |",
            "| --- | --- | --- |",
            *(f"| {name} | {median(v):.1f} | {min(v):.1f} – {max(v):.1f} |" for name, v in rows),
            f"| memory of Python, MB | {figures['memory_mb']:.0f} | |",
        ]
    )


def set_up(url: str) -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="slamonitor.settings",
        DATABASE_URL=url,
        REDIS_URL="redis://127.0.0.1:1/0",
        SECRET_KEY="for-benchmarks-only-and-long-enough-to-be-accepted",
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    from django.db import connection

    _make_services(options.services)
    _make_checks(options)
    rollups = [_roll_up() for _ in range(options.rounds)]
    _make_ninety_days()
    pages = [_ninety_days() for _ in range(options.rounds + 2)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM watch_server_logs")
        (checks,) = cursor.fetchone()
    return {
        "checks": checks,
        "services": options.services,
        "rollup_s": rollups,
        "ninety_days_ms": pages,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _make_services(count: int) -> None:
    from monitoring.models import Service
    from monitoring.models.services import phase_of

    Service.objects.bulk_create(
        Service(
            id=f"bench-{number:06}",
            name=f"bench-{number:06}",
            display_name="Bench",
            endpoint_url="http://127.0.0.1/",
            phase_ms=phase_of(f"bench-{number:06}", 60_000),
        )
        for number in range(1, count + 1)
    )
    Service.objects.update(created_at=DAY - timedelta(days=100))


def _make_checks(options: argparse.Namespace) -> None:
    """Fill both raw tables and the runs, as a day of recording leaves them."""
    from django.db import connection

    from database import partitions
    from monitoring.models.raw import RAW_TABLES

    for table in RAW_TABLES:
        partitions.ensure(table, {DAY.date(), DAY.date() + timedelta(days=1)})
    parameters = {
        "day": DAY,
        "step_s": 86_400 // options.checks,
        "checks": options.checks,
        "services": options.services,
    }
    with connection.cursor() as cursor:
        cursor.execute(CHECKS, parameters)
        cursor.execute(REQUESTS)
        cursor.execute(RUNS)
        cursor.execute("VACUUM ANALYZE")


RUNS = """
    INSERT INTO check_runs (service_id, verdict, first_at, last_at, check_count, hold_s)
    SELECT
        service_id, verdict, min(checked_at), max(checked_at), count(*), ceil(2.5 * min(interval_ms) / 1000)
    FROM (
        SELECT *, count(*) FILTER (WHERE is_new) OVER (PARTITION BY service_id ORDER BY checked_at) AS run
        FROM (
            SELECT *, verdict IS DISTINCT FROM lag(verdict) OVER (PARTITION BY service_id ORDER BY checked_at) AS is_new
            FROM watch_server_logs
        ) AS marked
    ) AS numbered
    GROUP BY service_id, run, verdict
"""


def _roll_up() -> float:
    """Account the whole day as the nightly task does, and return the duration in seconds."""
    from monitoring.accounting import rollup, rollup_requests
    from monitoring.models import Service

    rollup_requests.request(list(Service.objects.values_list("id", flat=True)), [DAY.date()])
    began = time.perf_counter()
    rollup.work_off_all(UTC, budget_s=600)
    return time.perf_counter() - began


def _make_ninety_days() -> None:
    """Give 500 services the same record on each of 90 days."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO uptime_records SELECT (jsonb_populate_record(record, jsonb_build_object('date', day))).*"
            " FROM uptime_records AS record, generate_series(%s::date - 89, %s::date - 1, '1 day') AS day"
            " WHERE service_id <= 'bench-000500'",
            [DAY, DAY],
        )
        cursor.execute("VACUUM ANALYZE uptime_records")


def _ninety_days() -> float:
    """Read the sums of seconds of 90 days for 500 services, compute the figures, and return the milliseconds."""
    from monitoring.accounting import stored_days

    ids = [f"bench-{number:06}" for number in range(1, 501)]
    began = time.perf_counter()
    found = stored_days.figures(ids, DAY.date() - timedelta(days=89), DAY.date(), UTC)
    assert len(found) == 500
    return (time.perf_counter() - began) * 1000
