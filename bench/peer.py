"""Prometheus with its blackbox exporter on the same task: checks of a fast local target, a new connection each.

Both programs must be on the PATH: apt install prometheus prometheus-blackbox-exporter.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.installation import target
from bench.procfs import Usage, usage
from slamonitor.tests.installation import free_port, wait_until

PROGRAMS = ("prometheus", "prometheus-blackbox-exporter")
WARM_UP_S = 15
EXPORTER = {"modules": {"plain": {"prober": "http", "timeout": "4s", "http": {"preferred_ip_protocol": "ip4"}}}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=5000)
    parser.add_argument("--interval", type=int, default=5, help="seconds between the checks of a service")
    parser.add_argument("--seconds", type=int, default=20, help="length of a round; a multiple of the interval")
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Let Prometheus scrape the exporter for each service and measure rounds of equal length."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"not on the PATH: {', '.join(missing)}; try: apt install {' '.join(missing)}")
    with ExitStack() as stack:
        url = stack.enter_context(target())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slamonitor-bench-")))
        exporter, prometheus = free_port(), free_port()
        (folder / "exporter.yml").write_text(json.dumps(EXPORTER))  # JSON is YAML
        (folder / "prometheus.yml").write_text(json.dumps(_configuration(url, exporter, options)))
        listen = "--web.listen-address=127.0.0.1:{}"
        pids = [
            stack.enter_context(_program(PROGRAMS[1], f"--config.file={folder}/exporter.yml", listen.format(exporter))),
            stack.enter_context(
                _program(
                    PROGRAMS[0],
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    listen.format(prometheus),
                )
            ),
        ]
        ready = f"http://127.0.0.1:{prometheus}/-/ready"
        wait_until(lambda: _answers(ready), "Prometheus did not get ready")
        time.sleep(WARM_UP_S)
        rounds = [_round(pids, prometheus, options) for _ in range(options.rounds)]
    return {"services": options.services, "interval_s": options.interval, "rounds": rounds}


def _configuration(url: str, exporter: int, options: argparse.Namespace) -> dict[str, Any]:
    targets = [f"{url}/bench-{number}" for number in range(options.services)]
    return {
        "global": {"scrape_interval": f"{options.interval}s", "scrape_timeout": "4s"},
        "scrape_configs": [
            {
                "job_name": "bench",
                "metrics_path": "/probe",
                "params": {"module": ["plain"]},
                "static_configs": [{"targets": targets}],
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": f"127.0.0.1:{exporter}"},
                ],
            }
        ],
    }


@contextmanager
def _program(*command: str) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield process.pid
        process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _round(pids: list[int], port: int, options: argparse.Namespace) -> dict[str, Any]:
    before = [usage(pid) for pid in pids]
    time.sleep(options.seconds)
    after, ended = [usage(pid) for pid in pids], time.time()
    time.sleep(1)  # until the last scrapes are stored
    question = {"query": f"sum(count_over_time(probe_success[{options.seconds}s]))", "time": str(ended)}
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params=question, trust_env=False).json()
    checks = int(answer["data"]["result"][0]["value"][1])
    return {
        "slots": options.services * options.seconds // options.interval,
        "stored": checks,
        "cpu_ms_per_check": sum(map(_cpu_s, before, after)) * 1000 / checks,
        "memory_mb": sum(sum(one.rss_mb.values()) for one in after),
    }


def _cpu_s(before: Usage, after: Usage) -> float:
    return sum(after.cpu_since(before).values())


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    rounds = figures["rounds"]

    def row(name: str, values: list[float], form: str) -> str:
        return "| {} | {} | {} – {} |".format(
            name, *(form.format(v) for v in (median(values), min(values), max(values)))
        )

    return "\n".join(
        [
            f"Prometheus and blackbox exporter: {figures['services']} services every {figures['interval_s']} s, "
            f"{len(rounds)} rounds",
            "",
            "| figure | median | spread |",
            "| --- | --- | --- |",
            row("checks missing", [max(0, r["slots"] - r["stored"]) for r in rounds], "{:.0f}"),
            row("CPU per check, both processes, ms", [r["cpu_ms_per_check"] for r in rounds], "{:.3f}"),
            row("memory, both processes, MB", [r["memory_mb"] for r in rounds], "{:.0f}"),
        ]
    )
