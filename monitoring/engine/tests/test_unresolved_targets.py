"""DNS servers of ours that don't work are no outage of the services: nothing is stored, and the operator is told."""

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.tests.cast import Person
from monitoring.api.tests.api_client import Program, error_of
from monitoring.engine import workers
from monitoring.models import Service
from monitoring.probes.failures import NoNameServer
from monitoring.tests.factories import make_service
from monitoring.worker.canaries import Canaries
from monitoring.worker.probe_loop import ProbeLoop
from monitoring.worker.probe_worker import make_probe
from monitoring.worker.tests.test_messages import SPEC
from monitoring.worker.unprobed import unprobed, unresolved

pytestmark = pytest.mark.django_db
WHY = "DNS server 192.0.2.53 does not answer"


@pytest.fixture(autouse=True)
def deaf_server(settings: Settings) -> Iterator[str]:
    """Let a DNS server of ours be one that answers nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        settings.PROBE_DNS_SERVERS = [address]
        settings.API_RATE_LIMIT = 0
        yield address


@pytest.fixture
def service() -> Service:
    """Return a service that a worker reports as unresolved."""
    said = {"name": "probe1", "role": "probe", "region": "default", "started_at": timezone.now().isoformat()}
    workers.keep({**said, "counters": {}, "facts": {}, "unresolved": {"payments": WHY}}, timezone.now())
    return make_service(endpoint_url="http://api.test/health", timeout=300)


def test_a_worker_notes_a_service_until_its_name_is_resolved(settings: Settings) -> None:
    spec = replace(SPEC, url="http://api.test:1/", timeout_ms=300, due_at_ms=int(time.time() * 1000))
    with pytest.raises(NoNameServer):
        asyncio.run(make_probe()(spec, 0.0))
    assert set(unresolved.shown()) == {"payments"} and unprobed.shown() == {}

    asyncio.run(make_probe()(replace(spec, url="http://127.0.0.1:1/"), 0.0))
    assert unresolved.shown() == {}


def test_the_loop_counts_it_apart_from_verdicts_and_a_canary_counts_as_silent() -> None:
    results: list[Any] = []
    loop = ProbeLoop(make_probe, results.extend, max_held=10)
    now_ms = int(time.time() * 1000)
    spec = replace(SPEC, url="http://api.test:1/", timeout_ms=300, due_at_ms=now_ms, expires_at_ms=now_ms + 60_000)
    try:
        loop.submit([spec])
        assert loop.finish(30)
        assert (loop.counters["unresolved"], loop.counters["own_errors"], results) == (1, 0, [])
        asked = loop.ask([spec], 30)
    finally:
        loop.stop(2)
    assert asked == [None]
    unresolved.forget("payments")
    look = Canaries(["http://api.test/"], lambda urls: any(asked), time.time).look(has_failures=True)
    assert look is not None and not look.has_answer


def test_health_counts_and_doctor_names_them(service: Service, client: Client) -> None:
    names = {each["name"]: each for each in client.get("/health").json()["dependencies"]}["names"]
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "names", stdout=said)

    assert names["status"] == "degraded" and "1 services" in names["message"] and "payments" not in str(names)
    assert "payments" in said.getvalue() and WHY in said.getvalue() and "PROBE_DNS_SERVERS" in said.getvalue()


def test_pages_and_check_now_say_why(service: Service, admin: Person, deaf_server: Any) -> None:
    address = "/admin/monitoring/service/payments"

    form = admin.client.get(f"{address}/change/").content.decode()
    page = admin.client.get("/admin/services/payments/").content.decode()
    now = admin.client.post(f"{address}/check-now/").content.decode()

    assert all(f"{WHY}." in shown and "Our own DNS servers" in shown for shown in (form, page))
    assert f"DNS server {deaf_server} does not answer." in now and "Our own DNS servers" in now


def test_programs_are_told_by_a_code(service: Service, admin: Person) -> None:
    answer = Program.of(admin).post("services/payments/check_now")

    assert error_of(answer) == (503, "DNS_UNAVAILABLE")


def test_the_command_says_it_and_ends_with_two(
    service: Service, deaf_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("probe", "payments")

    assert ended.value.code == 2
    assert capsys.readouterr().out.startswith(f"NOT CHECKED  payments  DNS server {deaf_server} does not answer\n")
