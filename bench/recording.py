"""Recording alone: checks a second that one process records, in batches as probe workers send them."""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench.rollup import set_up
from slamonitor.embedded.postgres import EmbeddedPostgres

INTERVAL_S = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--batches", type=int, default=100, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres.running(Path(folder) / "state", durable=True) as url:
            set_up(url)
            return _measure(options)


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    return "\n".join(
        [
            f"{figures['services']:,} services, batches of {figures['batch']}",
            "",
            "| figure | median | spread |",
            "| --- | --- | --- |",
            *(
                f"| {name} | {median(figures[key]):{form}} | {min(figures[key]):{form}} – {max(figures[key]):{form}} |"
                for name, key, form in (
                    ("checks recorded, per second", "checks_per_s", ",.0f"),
                    ("CPU of Python per check, ms", "cpu_ms", ".3f"),
                )
            ),
        ]
    )


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    from monitoring.engine import recording
    from monitoring.models import Service
    from monitoring.worker.messages import unpack_results

    Service.objects.bulk_create(
        Service(id=f"bench-{n:06}", name=f"bench-{n:06}", display_name="Bench", endpoint_url="http://127.0.0.1/")
        for n in range(options.services)
    )
    begin = datetime.now(UTC) - timedelta(hours=1)
    batches = _batches(begin, options)
    figures: dict[str, Any] = {"services": options.services, "batch": options.batch, "checks_per_s": [], "cpu_ms": []}
    for number in range(options.rounds + 1):
        round_ = [next(batches) for _ in range(options.batches)]
        began, cpu = time.perf_counter(), time.process_time()
        for message in round_:
            recording.record(unpack_results(json.loads(message)), datetime.now(UTC))
        if number:  # the first round fills caches and state rows
            checks = options.batches * options.batch
            figures["checks_per_s"].append(checks / (time.perf_counter() - began))
            figures["cpu_ms"].append((time.process_time() - cpu) * 1000 / checks)
    return figures


def _batches(begin: datetime, options: argparse.Namespace) -> Iterator[str]:
    """Yield messages of good checks, each service in turn, minute after minute."""
    from monitoring.probes.model import MeasuredRequest, Phases, ProbeResult, Verdict
    from monitoring.rules.unix_time import to_ms
    from monitoring.worker.messages import pack_results

    slot, batch = 0, []
    while True:
        minute, service = divmod(slot, options.services)
        at_ms = to_ms(begin) + minute * INTERVAL_S * 1000 + service % (INTERVAL_S * 1000)
        phases = Phases(dns_ms=0.02, connect_ms=0.11 + slot % 7, first_byte_ms=0.3, total_ms=12.5 + slot % 90)
        url = "http://127.0.0.1/"
        request = MeasuredRequest(
            started_at_ms=at_ms, url=url, method="GET", status_code=200, error_message=None, phases=phases
        )
        batch.append(
            ProbeResult(
                service_id=f"bench-{service:06}",
                region="default",
                checked_at_ms=at_ms,
                interval_ms=INTERVAL_S * 1000,
                timeout_ms=5_000,
                lateness_ms=0.4,
                verdict=Verdict.OK,
                status_code=200,
                error_type=None,
                error_message=None,
                phases=phases,
                requests=(request,),
            )
        )
        slot += 1
        if len(batch) == options.batch:
            yield json.dumps(pack_results(batch))
            batch = []
