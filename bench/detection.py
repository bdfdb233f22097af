"""The time from the death of a target until the public page shows its service as down."""

import argparse
import re
import time
from statistics import quantiles
from typing import Any

from bench.faults.targets import Switched, switched
from bench.installation import running, services_file
from slamonitor.tests.installation import Installation, wait_until

ROW = re.compile(r'<li id="service-(bench-\d+)" class="is-(\w+)"')
LOOK_S = 0.05  # between two requests of the page
PATIENCE_S = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--interval", type=int, default=10, help="seconds between the checks of a service")
    parser.add_argument("--rounds", type=int, default=3, help="deaths of the target")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Stop the target of all services, request the page until it shows each as down, and start the target again."""
    with switched() as target, running() as installation:
        installation.manage(
            "sync_services", "-", text=services_file(options.services, options.interval * 1000, target.url)
        )
        delays = [delay for _ in range(options.rounds) for delay in _one_death(installation, target, options.services)]
    return {"services": options.services, "interval_s": options.interval, "delays_s": sorted(delays)}


def as_table(figures: dict[str, Any]) -> str:
    """Return the spread of the delays as a Markdown table."""
    delays = figures["delays_s"]
    shares = quantiles(delays, n=20, method="inclusive")
    return "\n".join(
        [
            f"{len(delays)} failures of services that are checked every {figures['interval_s']} s",
            "",
            "| target dies → the page shows it | s |",
            "| --- | --- |",
            f"| p50 | {shares[9]:.1f} |",
            f"| p95 | {shares[18]:.1f} |",
            f"| max | {delays[-1]:.1f} |",
        ]
    )


def _one_death(installation: Installation, target: Switched, services: int) -> list[float]:
    wait_until(lambda: len(_shown(installation, "ok")) == services, "not every service is up")
    target.tell("fail")
    died, seen = time.monotonic(), dict[str, float]()
    while len(seen) < services:
        assert time.monotonic() - died < PATIENCE_S, f"only {len(seen)} of {services} are shown as down"
        for service in _shown(installation, "major") - seen.keys():
            seen[service] = time.monotonic() - died
        time.sleep(LOOK_S)
    target.tell("answer")
    return list(seen.values())


def _shown(installation: Installation, tone: str) -> set[str]:
    return {service for service, shown in ROW.findall(installation.page().text) if shown == tone}
