"""Backups while the engine works: the cost of a dump for the engine, sizes of files, duration of a proof."""

import argparse
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from bench import engine
from bench.installation import running, services_file, target
from slamonitor.embedded.state_directory import read_env
from slamonitor.tests.installation import Installation

WARM_UP_S = 15

PARTITION = """
    CREATE TABLE IF NOT EXISTS watch_server_logs_{0:%Y%m%d} PARTITION OF watch_server_logs
    FOR VALUES FROM ('{0:%Y-%m-%d} 00:00+00') TO ('{1:%Y-%m-%d} 00:00+00')
"""
CHECKS = """
    INSERT INTO watch_server_logs (
        checked_at, response_time, lateness_ms, interval_ms, status_code, service_id, region, verdict,
        dns_ms, connect_ms
    )
    SELECT %s::timestamptz + make_interval(secs => n * 0.05), 20 + 400 * power(random(), 4), random(), 60000, 200,
        'history-' || n %% 500, 'default', 'ok', random(), random()
    FROM generate_series(1, %s) AS n
"""
STATE = "SELECT pg_relation_size('service_state'), count(*) FROM service_state"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--interval", type=int, default=5, help="seconds between the checks of a service")
    parser.add_argument("--seconds", type=int, default=30, help="length of a round; a multiple of the interval")
    parser.add_argument("--rows", type=int, default=1_000_000, help="raw checks of each of two days")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure a round of the engine without a dump, and one with one dump after another."""
    with target() as url, running() as installation:
        fill(installation, options.rows)
        installation.manage("sync_services", "-", text=services_file(options.services, options.interval * 1000, url))
        time.sleep(WARM_UP_S)
        quiet = engine._round(installation, options)
        before = installation.query(STATE)[0]
        with Dumping(installation) as dumping:
            busy = engine._round(installation, options)
            partition_ms = make_partitions_ms(installation)
        after = installation.query(STATE)[0]
        began = time.monotonic()
        installation.manage("verify_backup")
        return {
            "services": options.services,
            "interval_s": options.interval,
            "rows_a_day": options.rows,
            "quiet": quiet,
            "busy": busy,
            "first_backup_s": dumping.took_s[0],
            "backup_s": dumping.took_s[1:],
            "proof_s": time.monotonic() - began,
            "night_bytes": newest(installation).stat().st_size,
            "closed_day_bytes": sum(path.stat().st_size for path in folder(installation).glob("raw/*.gz")),
            "partition_ms": partition_ms,
            "state_bytes": [before[0], after[0]],
        }


class Dumping:
    """Take one backup after another during the block, and at least two."""

    def __init__(self, installation: Installation) -> None:
        self.took_s: list[float] = []
        self._installation, self._ended = installation, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Dumping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set() or len(self.took_s) < 2:
            began = time.monotonic()
            self._installation.manage("backup")
            self.took_s.append(time.monotonic() - began)


def fill(installation: Installation, rows: int) -> None:
    """Add a closed day and an open one."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (midnight - timedelta(days=1), midnight):
        execute(installation, PARTITION.format(day, day + timedelta(days=1)))
        execute(installation, CHECKS, day, rows)
    execute(installation, "ANALYZE")


def make_partitions_ms(installation: Installation) -> float:
    """Return the time to create a partition and to drop one while rows are dumped."""
    day = datetime(2099, 1, 1, tzinfo=UTC)
    began = time.monotonic()
    execute(installation, PARTITION.format(day, day + timedelta(days=1)))
    execute(installation, f"ALTER TABLE watch_server_logs DETACH PARTITION watch_server_logs_{day:%Y%m%d} CONCURRENTLY")
    execute(installation, f"DROP TABLE watch_server_logs_{day:%Y%m%d}")
    return (time.monotonic() - began) * 1000


def execute(installation: Installation, sql: str, *parameters: Any) -> None:
    with psycopg.connect(read_env(installation.state)["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.encode(), parameters or None)


def folder(installation: Installation) -> Path:
    return installation.state / "backups"


def newest(installation: Installation) -> Path:
    return max(folder(installation).glob("sla_monitor_*"))


def as_table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    quiet, busy, rows = figures["quiet"], figures["busy"], figures["rows_a_day"]
    sides = [
        ("slots not stored", *(side["slots"] - side["stored"] for side in (quiet, busy))),
        *((f"lateness {p}, ms", *(side["lateness_ms"][p] for side in (quiet, busy))) for p in ("p50", "p99", "max")),
        ("CPU per check, all processes, ms", *(side["cpu_ms_per_check"] for side in (quiet, busy))),
        ("service_state, kB", *(count / 1000 for count in figures["state_bytes"])),
    ]
    alone = [
        ("first backup, with the closed day, s", figures["first_backup_s"]),
        ("each later one, s (median)", median(figures["backup_s"])),
        ("a partition made and dropped meanwhile, ms", figures["partition_ms"]),
        ("proof, with the closed day, s", figures["proof_s"]),
        ("closed day, bytes per check", figures["closed_day_bytes"] / rows),
        ("night's file with the open day, MB", figures["night_bytes"] / 1e6),
    ]
    return "\n".join(
        [
            f"{figures['services']} services every {figures['interval_s']} s; two days of {rows:,} checks, one closed",
            "",
            "| figure | no dump | dump after dump |",
            "| --- | --- | --- |",
            *(f"| {name} | {one:.2f} | {other:.2f} |" for name, one, other in sides),
            "",
            "| figure | |",
            "| --- | --- |",
            *(f"| {name} | {value:.1f} |" for name, value in alone),
        ]
    )
