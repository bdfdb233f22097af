"""Somebody holds the broker's password: a real worker takes from its queue what we signed, and survives all else."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kombu import Connection

from monitoring.probes.model import ProbeSpec
from monitoring.tasks import probe
from monitoring.worker import messages
from slamonitor.celery import app
from slamonitor.embedded.redis import EmbeddedRedis, celery_url
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running import processes
from slamonitor.running.processes import Options
from slamonitor.tests.broker import take
from slamonitor.tests.installation import PATIENCE_S, wait_until
from slamonitor.tests.targets import Target, serving

pytestmark = pytest.mark.processes

QUEUE = "probes.busan"
KEY = "the-key-of-secrets-of-this-installation-alone"


@pytest.fixture
def broker(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Start a probe worker that has nothing but the broker and the key, and wait until it listens."""
    settings.SECRETS_KEYS = [KEY]
    folder = tmp_path_factory.mktemp("busan")
    with EmbeddedRedis.running() as redis_url:
        env = {
            "REDIS_URL": redis_url,
            "SECRET_KEY": KEY,
            "SECRETS_KEY": KEY,
            "SLAMONITOR_STATE_DIR": str(folder / "nothing-here"),
            "PATH": os.environ["PATH"],
            "REGION": "busan",
        }
        described = processes.probe_worker(env, Options(host="", port=0, workers=1, region="busan"), 1)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(described.command, env=dict(described.env), cwd=CHECKOUT, stdout=log, stderr=log)
        try:
            with Connection(celery_url(redis_url)) as connection:  # type: ignore[no-untyped-call]
                wait_until(lambda: connection.default_channel.client.exists(f"_kombu.binding.{QUEUE}"), "no start")
                yield connection
                assert process.poll() is None, (folder / "log").read_text()
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def spec(url: str, service_id: str) -> ProbeSpec:
    now_ms = int(time.time() * 1000)
    return ProbeSpec(
        service_id=service_id,
        region="busan",
        version=1,
        url=url,
        timeout_ms=5_000,
        interval_ms=60_000,
        due_at_ms=now_ms,
        expires_at_ms=now_ms + 60_000,
        trace_id="0" * 32,
    )


def genuine(broker: Connection, url: str, service_id: str) -> dict[str, Any]:
    """Return a message of ours as it lies in Redis, having taken it out of another queue."""
    table = messages.pack_specs([spec(url, service_id)])
    probe.apply_async([table], queue="elsewhere", connection=broker)
    return dict(json.loads(broker.default_channel.client.rpop("elsewhere")))  # type: ignore[attr-defined]


def results(broker: Connection, until: str) -> list[str]:
    """Return the services of all results up to that of one service."""
    found: list[str] = []

    def has_come() -> bool:
        while (message := take(broker, "results")) is not None:
            task, args = message
            if task == "monitoring.record":
                found.extend(result.service_id for result in messages.unpack_results(args[0]))
        return until in found

    wait_until(has_come, f"no result of {until}")
    return found


def test_a_worker_takes_nothing_that_we_did_not_sign(broker: Connection) -> None:
    client = broker.default_channel.client  # type: ignore[attr-defined]
    with serving(Target()) as address:
        url = f"http://{address}/"
        ours = genuine(broker, url, "replaced")
        assert ours["content-type"] == "application/x-signed-json"
        body = broker.default_channel.decode_body(ours["body"], "base64").decode()  # type: ignore[no-untyped-call]
        forged = body.replace("replaced", "forged11")
        other_task = {**ours, "headers": {**ours["headers"], "task": "monitoring.record"}}
        other_expiry = {**ours, "headers": {**ours["headers"], "expires": "2099-01-01T00:00:00+00:00"}}
        altered = {**ours, "body": broker.default_channel.encode_body(forged, "base64")[0]}  # type: ignore[no-untyped-call]
        plain = {**altered, "content-type": "application/json"}
        not_messages = [
            b"",
            b"\xff\x00",
            b"{",
            b"[]",
            b"null",
            b"7",
            b'"text"',
            b"{}",
            b'{"properties": 1}',
            b"[" * 9999,
        ]
        headers: list[Any] = [
            None,
            1,
            [],
            {},
            {"task": 7},
            {"task": "monitoring.probe"},
            {"task": "no.such.task", "id": []},
        ]
        broken = [{**ours, "headers": each} for each in headers]
        unsigned = {"retries": "x", "timelimit": 1, "origin": {}, "argsrepr": 3, "shadow": [], "parent_id": {}}
        broken += [{**ours, "headers": {**ours["headers"], name: value}} for name, value in unsigned.items()]
        for item in [*not_messages, *map(json.dumps, [other_task, other_expiry, altered, plain, *broken])]:
            client.lpush(QUEUE, item)
        probe.apply_async([messages.pack_specs([spec(url, "genuine")])], queue=QUEUE, connection=broker)

        found = results(broker, until="genuine")

    # Copies of a message that we signed may be taken: of the same slot, they are stored once.
    assert set(found) <= {"genuine", "replaced"}


def test_refused_messages_are_counted_in_the_stamps(broker: Connection) -> None:
    client = broker.default_channel.client  # type: ignore[attr-defined]
    client.lpush(QUEUE, b"{", json.dumps({"properties": {}}))

    def refused() -> int:
        stamps = []
        while (message := take(broker, "results")) is not None:
            stamps.append(message[1][0])
        return max((stamp["counters"].get("refused_messages", 0) for stamp in stamps), default=0)

    wait_until(lambda: refused() == 2, "no stamp counts them")


def test_a_message_that_was_moved_to_another_region_is_not_probed(broker: Connection) -> None:
    with serving(Target()) as address:
        moved = spec(f"http://{address}/", "moved")
        tables = [
            messages.pack_specs([each]) for each in (replace(moved, region="seoul"), replace(moved, service_id="ours"))
        ]
        for table in tables:
            probe.apply_async([table], queue=QUEUE, connection=broker)

        assert results(broker, until="ours") == ["ours"]


def test_beat_and_web_sign_what_they_send() -> None:
    assert app.conf.task_serializer == "signed-json"
