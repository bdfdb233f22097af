"""Visits to the public page over HTTP: how many one web process answers, and what one costs it. Needs `wrk`."""

import argparse
import re
import shutil
import subprocess
from statistics import median
from typing import Any

import psutil

from bench.installation import running, services_file, target
from slamonitor.tests.installation import Installation, wait_until

FRONT = "slamonitor.web --"
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--interval", type=int, default=60, help="seconds between the checks of a service")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    if shutil.which("wrk") is None:
        raise SystemExit("`wrk` is not installed. On Debian and Ubuntu: apt install wrk")
    with target() as url, running() as installation:
        installation.manage("sync_services", "-", text=services_file(options.services, options.interval * 1000, url))
        wait_until(lambda: f"bench-{options.services - 1}<" in installation.page().text, "the page lacks services")
        rounds = [_round(installation, options) for _ in range(options.rounds)]
    return {"services": options.services, "connections": options.connections, "rounds": rounds}


def _round(installation: Installation, options: argparse.Namespace) -> dict[str, float]:
    front = psutil.Process(installation.processes(FRONT)[0])
    before = front.cpu_times()
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}", "--latency"]
    headers = ["-H", "Accept-Encoding: gzip", "-H", "Accept-Language: en"]
    url = f"http://127.0.0.1:{installation.port}/"
    said = subprocess.run([*command, *headers, url], capture_output=True, text=True, check=True).stdout
    after = front.cpu_times()
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    requests = int(_found(r"(\d+) requests in", said)[0])
    number, unit = _found(r"99%\s+([\d.]+)(us|ms|s)", said)
    return {
        "pages_per_s": float(_found(r"Requests/sec:\s+([\d.]+)", said)[0]),
        "p99_ms": float(number) * UNITS_MS[unit],
        "cpu_us": (after.user + after.system - before.user - before.system) / requests * 1_000_000,
    }


def _found(pattern: str, said: str) -> tuple[str, ...]:
    match = re.search(pattern, said)
    assert match is not None, said
    return match.groups()


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    names = {"pages_per_s": "pages/s", "p99_ms": "p99, ms", "cpu_us": "CPU of the front process a page, µs"}
    rows = []
    for key, name in names.items():
        values = [one[key] for one in figures["rounds"]]
        digits = 0 if key == "pages_per_s" else 1
        shown = [f"{value:,.{digits}f}" for value in (median(values), min(values), max(values))]
        rows.append(f"| {name} | {shown[0]} | {shown[1]} – {shown[2]} |")
    return "\n".join(
        [
            f"{figures['services']} services, {figures['connections']} connections, one web process, `wrk` beside it",
            "",
            "| figure | median | spread |",
            "| --- | --- | --- |",
            *rows,
        ]
    )
