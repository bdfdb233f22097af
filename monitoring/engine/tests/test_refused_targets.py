"""An address that our own settings refuse is a mistake in the configuration: no outage, and the operator is told."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from monitoring.engine.refused_targets import refused_targets
from monitoring.models import EngineWorker, Service
from monitoring.probes.failures import NotAllowed
from monitoring.tests.factories import make_service
from monitoring.worker.probe_worker import make_probe
from monitoring.worker.tests.test_messages import SPEC
from monitoring.worker.unprobed import MOST, Unprobed, unprobed

pytestmark = pytest.mark.django_db
WHY = "refused to connect to 127.0.0.1: it is a loopback address; set PROBE_ALLOW_PRIVATE=true to probe such addresses"


@pytest.fixture(autouse=True)
def public_only(settings: Settings) -> None:
    settings.PROBE_ALLOW_PRIVATE = False
    settings.API_RATE_LIMIT = 0


def stamp(why: dict[str, str], name: str = "probe1") -> None:
    """Keep the stamp of a worker that may not probe some services."""
    said = {"name": name, "role": "probe", "region": "default", "started_at": timezone.now().isoformat()}
    workers.keep({**said, "counters": {}, "facts": {"version": "1"}, "unprobed": why}, timezone.now())


@pytest.fixture
def refused() -> Service:
    stamp({"payments": WHY})
    return make_service(endpoint_url="http://127.0.0.1:1/health")


def test_a_worker_notes_whom_it_may_not_probe_until_it_may(
    caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    spec = replace(SPEC, url="http://127.0.0.1:1/", timeout_ms=5_000, due_at_ms=int(time.time() * 1000))

    async def attempt() -> Any:
        return await make_probe()(spec, 0.0)

    for _ in range(3):
        with pytest.raises(NotAllowed):
            asyncio.run(attempt())
    assert unprobed.shown() == {"payments": WHY}
    assert caplog.text.count("service not probed") == 1

    settings.PROBE_ALLOW_PRIVATE = True
    asyncio.run(attempt())
    assert unprobed.shown() == {}


def test_so_many_are_named_and_no_more() -> None:
    notes = Unprobed()
    for number in range(1000):
        notes.note(f"service-{number}", WHY)

    assert len(notes.shown()) == MOST


def test_only_what_is_monitored_and_told_lately_counts(refused: Service) -> None:
    stamp({"payments": WHY, "gone": WHY}, "probe2")
    assert refused_targets(timezone.now()) == {"payments": WHY}

    EngineWorker.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    assert refused_targets(timezone.now()) == {}


def test_a_worker_that_may_again_says_nothing(refused: Service) -> None:
    stamp({})

    assert refused_targets(timezone.now()) == {}


def test_health_counts_and_doctor_names_them(refused: Service, client: Client) -> None:
    targets = {each["name"]: each for each in client.get("/health").json()["dependencies"]}["targets"]
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "targets", stdout=said)

    assert targets["status"] == "degraded" and "1 services" in targets["message"]
    assert "payments" not in str(targets)
    assert "payments" in said.getvalue() and "PROBE_ALLOW_PRIVATE=true" in said.getvalue()


def test_the_page_of_the_service_and_check_now_say_why(refused: Service, admin: Person) -> None:
    address = "/admin/monitoring/service/payments"

    for page in (admin.client.get(f"{address}/change/"), admin.client.post(f"{address}/check-now/")):
        assert page.status_code == 200
        assert "Not checked:" in page.content.decode() and "PROBE_ALLOW_PRIVATE=true" in page.content.decode()


def test_programs_are_told_by_a_code(refused: Service, admin: Person) -> None:
    answer = Program.of(admin).post("services/payments/check_now")

    assert error_of(answer) == (409, "ADDRESS_REFUSED")
    assert "PROBE_ALLOW_PRIVATE=true" in answer.content.decode()


def test_the_command_says_it_and_ends_with_two(refused: Service, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("probe", "payments")

    assert ended.value.code == 2
    assert capsys.readouterr().out.startswith(f"NOT CHECKED  payments  {WHY}")


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://web.invalid:8000"])
def test_a_first_run_does_not_publish_us_as_unmeasured(url: Any) -> None:
    said = StringIO()
    call_command("first_run", page_url=url, stdout=said)

    assert not Service.objects.exists()
    assert f"PROBE_ALLOW_PRIVATE=false does not allow checks of {url}/health" in said.getvalue()


def test_a_public_page_is_monitored_all_the_same() -> None:
    call_command("first_run", page_url="http://192.88.100.1", stdout=StringIO())

    assert Service.objects.get().endpoint_url == "http://192.88.100.1/health"


def test_where_private_addresses_are_allowed_we_monitor_ourselves(settings: Settings) -> None:
    settings.PROBE_ALLOW_PRIVATE = True
    call_command("first_run", page_url="http://localhost:8000", stdout=StringIO())

    assert Service.objects.get().endpoint_url == "http://localhost:8000/health"
    assert Service.objects.get().created_at <= datetime.now(UTC)
