"""The engine as a whole: slots stored, lateness, CPU per check over all processes, memory, bytes on disk."""

import argparse
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from bench.installation import running, services_file, target, tls_target
from bench.procfs import usage
from slamonitor.tests.installation import Installation

WARM_UP_S = 15

FIGURES = """
    SELECT count(*), count(*) FILTER (WHERE is_healthy),
        percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY lateness_ms)
    FROM watch_server_logs
    WHERE service_id LIKE 'bench-%%' AND checked_at >= %s AND checked_at < %s
"""
DISK = """
    SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint,
        (SELECT count(*) FROM watch_server_logs)
    FROM pg_inherits
    WHERE inhparent IN ('watch_server_logs'::regclass, 'api_response_times'::regclass)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--interval", type=int, default=5, help="seconds between the checks of a service")
    parser.add_argument("--seconds", type=int, default=30, help="length of a round; a multiple of the interval")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="probe workers")
    parser.add_argument("--tls", action="store_true", help="ask over TLS, with a full handshake each time")
    parser.add_argument("--hanging", type=int, default=0, metavar="PERCENT", help="services that are never answered")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run an installation against a fast local target and measure rounds of equal length in sequence."""
    with ExitStack() as stack:
        url, variables = stack.enter_context(tls_target()) if options.tls else (stack.enter_context(target()), {})
        installation = stack.enter_context(running("--workers", str(options.workers), **variables))
        services = services_file(options.services, options.interval * 1000, url, options.hanging)
        installation.manage("sync_services", "-", text=services)
        time.sleep(max(WARM_UP_S, 3 * options.interval))  # the first check of each is a transition, which costs more
        rounds = [_round(installation, options) for _ in range(options.rounds)]
        (disk_bytes, checks) = installation.query(DISK)[0]
    return {
        "services": options.services,
        "interval_s": options.interval,
        "rounds": rounds,
        "disk_bytes_per_check": round(disk_bytes / checks),
    }


def _round(installation: Installation, options: argparse.Namespace) -> dict[str, Any]:
    begin = datetime.now(UTC) + timedelta(seconds=1)
    end = begin + timedelta(seconds=options.seconds)
    before = usage(installation.pid)
    time.sleep(options.seconds)
    after = usage(installation.pid)
    time.sleep(7)  # until the last slots of the round are stored, including those that time out
    stored, healthy, (p50, p99, highest) = installation.query(FIGURES, begin, end)[0]
    cpu = after.cpu_since(before)
    return {
        "slots": options.services * options.seconds // options.interval,
        "stored": stored,
        "failed": stored - healthy,
        "lateness_ms": {"p50": p50, "p99": p99, "max": highest},
        "cpu_ms_per_check": sum(cpu.values()) * 1000 / stored,
        "cpu_ms_per_check_by_program": {name: seconds * 1000 / stored for name, seconds in sorted(cpu.items())},
        "memory_mb": sum(after.rss_mb.values()),
    }


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    rounds = figures["rounds"]

    def row(name: str, values: list[float], form: str = "{:.2f}") -> str:
        return "| {} | {} | {} – {} |".format(
            name, *(form.format(v) for v in (median(values), min(values), max(values)))
        )

    programs = rounds[0]["cpu_ms_per_check_by_program"]
    lines = [
        f"{figures['services']} services every {figures['interval_s']} s, {len(rounds)} rounds",
        "",
        "| figure | median | spread |",
        "| --- | --- | --- |",
        row("slots not stored", [r["slots"] - r["stored"] for r in rounds], "{:.0f}"),
        row("checks that failed", [r["failed"] for r in rounds], "{:.0f}"),
        *(row(f"lateness {p}, ms", [r["lateness_ms"][p] for r in rounds]) for p in ("p50", "p99", "max")),
        row("CPU per check, all processes, ms", [r["cpu_ms_per_check"] for r in rounds], "{:.3f}"),
        *(
            row(f"– {name}, ms", [r["cpu_ms_per_check_by_program"].get(name, 0) for r in rounds], "{:.3f}")
            for name in programs
        ),
        row("memory, all processes, MB", [r["memory_mb"] for r in rounds], "{:.0f}"),
        f"| disk per check, both raw tables, B | {figures['disk_bytes_per_check']} | |",
    ]
    return "\n".join(lines)
