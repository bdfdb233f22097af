"""A probe worker of a region of its own: without a database, behind a slow network. A real process."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from kombu import Connection

from bench.installation import target
from monitoring.probes.model import ProbeResult, ProbeSpec, Verdict
from monitoring.tasks import probe
from monitoring.worker import messages
from slamonitor.embedded.redis import EmbeddedRedis, celery_url
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running import processes
from slamonitor.running.processes import Options
from slamonitor.tests.broker import take
from slamonitor.tests.distance import far_away
from slamonitor.tests.installation import PATIENCE_S, wait_until

pytestmark = pytest.mark.processes

REGION = "seoul"
DELAY_S = 0.075  # each way: 150 ms there and back, as from Europe to Korea and more
SPECS, MESSAGES = 300, 6
LATEST_MS = 5_000  # a machine that tests keep busy may be late; if each check waited for the way, 45 s would be


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], Connection]]:
    """Start a worker whose whole environment is a broker, a key and an empty state directory."""
    folder = tmp_path_factory.mktemp("seoul")
    with EmbeddedRedis.running() as redis_url, far_away(urlsplit(redis_url).port or 0, DELAY_S) as port:
        env = {
            "REDIS_URL": with_port(redis_url, port),
            "SECRET_KEY": "for-tests-only-and-long-enough-to-be-accepted",
            "SLAMONITOR_STATE_DIR": str(folder / "nothing-here"),
            "PATH": "/usr/bin:/bin",
            "REGION": REGION,
        }
        described = processes.probe_worker(env, Options(host="", port=0, workers=1, region=REGION), 1)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(described.command, env=dict(described.env), cwd=CHECKOUT, stdout=log, stderr=log)
        try:
            with Connection(celery_url(redis_url)) as broker:  # type: ignore[no-untyped-call]
                yield process, broker
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))


def specs_of(url: str, due_at_ms: int, number: int) -> list[ProbeSpec]:
    """Return the specs of one message: due evenly over the second that follows, as the dispatcher plans them."""
    count = SPECS // MESSAGES
    return [
        ProbeSpec(
            service_id=f"service-{number}-{index}",
            region=REGION,
            version=1,
            url=url,
            timeout_ms=5_000,
            interval_ms=60_000,
            due_at_ms=due_at_ms + 1000 * index // count,
            expires_at_ms=due_at_ms + 60_000,
            trace_id="0" * 32,
        )
        for index in range(count)
    ]


def received(broker: Connection, count: int, seconds: float) -> list[ProbeResult]:
    """Take results out of their queue until there are so many, or the time is over."""
    found: list[ProbeResult] = []

    def have_come() -> bool:
        while (message := take(broker, "results")) is not None:
            task, args = message
            found.extend(messages.unpack_results(args[0]) if task == "monitoring.record" else ())
        return len(found) >= count

    wait_until(have_come, lambda: f"{len(found)} of {count} results came")
    return found


def test_it_loses_nothing_and_is_not_late(worker: tuple[subprocess.Popen[bytes], Connection]) -> None:
    process, broker = worker
    with target() as url:
        wait_until(lambda: broker.default_channel.client.exists("_kombu.binding.results"), "it did not start")  # type: ignore[attr-defined]
        begin_ms = int(time.time() * 1000) + 1_000  # the dispatcher is a second ahead, too
        for number in range(MESSAGES):
            specs = specs_of(url, begin_ms + 1000 * (number // 2), number)
            probe.apply_async([messages.pack_specs(specs)], queue=f"probes.{REGION}", connection=broker)
        found = received(broker, SPECS, 30)

    assert process.poll() is None
    assert len(found) == SPECS and set(Counter(result.service_id for result in found).values()) == {1}
    assert {result.verdict for result in found} == {Verdict.OK}
    lateness_ms = sorted(result.lateness_ms for result in found)
    assert lateness_ms[-1] < LATEST_MS, f"median {lateness_ms[SPECS // 2]:.1f} ms, last {lateness_ms[-1]:.1f} ms"


def test_it_has_neither_a_database_nor_the_means_to_reach_one(
    worker: tuple[subprocess.Popen[bytes], Connection],
) -> None:
    process, _broker = worker
    entries = Path(f"/proc/{process.pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    environment = dict(os.fsdecode(entry).split("=", 1) for entry in entries)

    assert set(environment) <= {"REDIS_URL", "SECRET_KEY", "SLAMONITOR_STATE_DIR", "PATH", "REGION", "PYTHONWARNINGS"}
    assert not Path(environment["SLAMONITOR_STATE_DIR"], "env").exists(), "there is no file that names a database"
