"""The engine at 70 % of its capacity for twenty minutes; memory, queues and lateness must stay flat."""

import argparse
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import redis

from bench.engine import FIGURES
from bench.installation import running, services_file, target
from bench.procfs import usage
from slamonitor.embedded.state_directory import read_env
from slamonitor.tests.installation import Installation

WARM_UP_S = 60
SAMPLE_S = 30
QUEUES = ("dispatch", "results", "alerts", "rollups", "probes.default")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=7000)
    parser.add_argument("--interval", type=int, default=5, help="seconds between the checks of a service")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2, help="probe workers")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run an installation against a fast local target and measure every half minute."""
    with ExitStack() as stack:
        url = stack.enter_context(target())
        installation = stack.enter_context(running("--workers", str(options.workers)))
        installation.manage("sync_services", "-", text=services_file(options.services, options.interval * 1000, url))
        time.sleep(WARM_UP_S)
        began, begin = time.monotonic(), datetime.now(UTC)
        samples = []
        for number in range(round(options.minutes * 60 / SAMPLE_S)):
            time.sleep(max(0.0, began + (number + 1) * SAMPLE_S - time.monotonic()))
            samples.append(_sample(installation))
        time.sleep(SAMPLE_S)  # until the checks of the last half minute are stored
        for number, sample in enumerate(samples):
            sample |= _stored(installation, begin + timedelta(seconds=number * SAMPLE_S))
    return {"services": options.services, "interval_s": options.interval, "sample_s": SAMPLE_S, "samples": samples}


def _sample(installation: Installation) -> dict[str, Any]:
    with redis.Redis.from_url(read_env(installation.state)["REDIS_URL"]) as client:
        queues = {name: client.llen(name) for name in QUEUES}
        broker_mb = client.info("memory")["used_memory"] / 1e6
    return {"memory_mb": usage(installation.pid).rss_mb, "messages": queues, "broker_mb": broker_mb}


def _stored(installation: Installation, begin: datetime) -> dict[str, Any]:
    """Return the checks stored in half a minute, and their lateness. Queried at the end, outside the measurement."""
    stored, healthy, (p50, p99, highest) = installation.query(FIGURES, begin, begin + timedelta(seconds=SAMPLE_S))[0]
    return {"stored": stored, "failed": stored - healthy, "lateness_ms": {"p50": p50, "p99": p99, "max": highest}}


def as_table(figures: dict[str, Any]) -> str:
    """Return medians of each quarter of the time as a Markdown table."""
    samples, services, interval = figures["samples"], figures["services"], figures["interval_s"]
    part = len(samples) // 4
    quarters = [samples[number * part : (number + 1) * part] for number in range(4)]
    slots = services * len(samples) * SAMPLE_S // interval

    def row(name: str, read: Any, form: str = "{:.0f}") -> str:
        return f"| {name} | {' | '.join(form.format(median(map(read, quarter))) for quarter in quarters)} |"

    programs = sorted(samples[0]["memory_mb"])
    stored, failed = (sum(sample[name] for sample in samples) for name in ("stored", "failed"))
    return "\n".join(
        [
            f"{services} services every {interval} s for {len(samples) * SAMPLE_S / 60:.0f} minutes: "
            f"{stored} of {slots} slots stored, {failed} failed",
            "",
            "| median of each quarter | 1 | 2 | 3 | 4 |",
            "| --- | --- | --- | --- | --- |",
            *(row(f"memory of {name}, MB", lambda s, name=name: s["memory_mb"].get(name, 0)) for name in programs),
            row("memory, all processes, MB", lambda s: sum(s["memory_mb"].values())),
            row("data in Redis, MB", lambda s: s["broker_mb"], "{:.1f}"),
            *(row(f"messages in {name}", lambda s, name=name: s["messages"][name]) for name in QUEUES),
            row("lateness p50, ms", lambda s: s["lateness_ms"]["p50"], "{:.2f}"),
            row("lateness p99, ms", lambda s: s["lateness_ms"]["p99"]),
            row("lateness max, ms", lambda s: s["lateness_ms"]["max"]),
        ]
    )
