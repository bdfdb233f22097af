"""The time from `manage.py up` on an existing installation to the first stored check."""

import argparse
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.installation import running, services_file, target
from slamonitor.tests.installation import Installation, wait_until

PATIENCE_S = 60
STORED = "SELECT count(*) FROM watch_server_logs WHERE service_id LIKE 'bench-%%' AND checked_at >= %s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--interval", type=int, default=10, help="seconds between the checks of a service")
    parser.add_argument("--rounds", type=int, default=5, help="starts")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Start an installation that has services repeatedly."""
    with target() as url, running() as installation:
        installation.manage("sync_services", "-", text=services_file(options.services, options.interval * 1000, url))
        rounds = [_one_start(installation) for _ in range(options.rounds)]
    return {"services": options.services, "interval_s": options.interval, "rounds": rounds}


def _one_start(installation: Installation) -> dict[str, float]:
    installation.stop()
    began, began_at = time.monotonic(), datetime.now(UTC)
    installation.start()
    served = time.monotonic() - began
    wait_until(lambda: installation.query(STORED, began_at)[0][0], "nothing was checked")
    return {"page_s": served, "check_s": time.monotonic() - began}


def as_table(figures: dict[str, Any]) -> str:
    """Return the median and spread as a Markdown table."""
    rounds = figures["rounds"]
    pages, checks = ([one[name] for one in rounds] for name in ("page_s", "check_s"))
    return "\n".join(
        [
            f"{len(rounds)} starts with {figures['services']} services",
            "",
            "| from the command to …, s | median | spread |",
            "| --- | --- | --- |",
            f"| the page | {median(pages):.1f} | {min(pages):.1f} – {max(pages):.1f} |",
            f"| the first stored check | {median(checks):.1f} | {min(checks):.1f} – {max(checks):.1f} |",
        ]
    )
