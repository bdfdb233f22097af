import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from monitoring.admin_site import dashboard
from monitoring.config import clock
from monitoring.config.clock import BrokerClock
from monitoring.engine import clock_check, workers
from monitoring.instruments import diagnostics
from monitoring.instruments.health import check_dispatch
from monitoring.instruments.metrics import of_dispatch
from monitoring.models import DispatchWatermark, EngineCounter, EngineWorker
from monitoring.states import counters
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


def make_worker(region: str = "default", seen_s_ago: float = 1.0, role: str = "probe") -> None:
    now = timezone.now()
    EngineWorker.objects.create(
        name=f"{role} {region}",
        role=role,
        region=region,
        started_at=now,
        seen_at=now - timedelta(seconds=seen_s_ago),
    )


def dispatched(seconds_ago: Any) -> None:
    DispatchWatermark.objects.create(dispatched_until=timezone.now() - timedelta(seconds=seconds_ago))


def health(client: Any) -> Any:
    answer = client.get("/health")
    return answer.status_code, answer.json()["status"], {d["name"]: d for d in answer.json()["dependencies"]}


def test_all_is_well_when_slots_go_out_and_workers_were_seen(client: Client) -> None:
    make_service()
    make_worker()
    dispatched(-2)

    code, status, dependencies = health(client)

    assert (code, status) == (200, "healthy")
    assert {d["status"] for d in dependencies.values()} == {"healthy"}
    assert all(d["responseTime"] >= 0 for d in dependencies.values())


def test_a_stopped_beat_is_unhealthy_and_says_since_when(client: Client, time_machine: Any) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    dispatched(60)
    make_worker(None, role="dispatch")

    code, status, dependencies = health(client)

    assert (code, status) == (503, "unhealthy")
    assert dependencies["dispatch"]["message"] == "no slot has been dispatched for 62 s"


def test_everybody_gives_the_last_dispatch_the_same_age(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    make_service()
    DispatchWatermark.objects.create(dispatched_until=now - timedelta(seconds=40))

    metric = next(each for each in of_dispatch() if each.name.endswith("last_dispatch_age_seconds"))

    assert metric.samples[0].value == 42
    assert "for 42 s" in check_dispatch().message
    assert "for 42 s" in diagnostics.beat().says
    assert (dashboard.engine(now).last_dispatch_s, dashboard.engine(now).is_dispatch_late) == (42, True)


def test_a_dispatch_in_the_future_is_unhealthy(client: Client) -> None:
    dispatched(-3600)

    _code, status, dependencies = health(client)

    assert status == "unhealthy"
    assert "a clock was wrong" in dependencies["dispatch"]["message"]


def test_a_worker_seen_in_the_future_is_not_taken_for_alive(client: Client) -> None:
    make_service()
    make_worker(seen_s_ago=-3600)
    dispatched(-2)

    assert health(client)[2]["workers"]["status"] == "unhealthy"


def test_clocks_that_differ_are_named_with_the_amount_and_the_remedy(client: Client) -> None:
    make_worker()
    EngineWorker.objects.update(facts={"clock_ahead_ms": -3_000})
    make_worker("seoul")

    found = health(client)[2]["clocks"]

    assert found["status"] == "degraded"
    assert "probe default (-3.0 s)" in found["message"] and "chrony" in found["message"]
    assert "seoul" not in found["message"]


def test_the_clock_of_postgresql_and_our_own_are_judged_as_well(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = BrokerClock(lambda: time.time() - 3600, measures_itself=False)
    assert broker.measure()
    monkeypatch.setattr(clock, "_clock", broker)

    message = health(client)[2]["clocks"]["message"]

    assert "PostgreSQL (+3600.0 s)" in message and "this process (+3600.0 s)" in message


def test_what_was_refused_for_its_future_is_said_for_some_minutes(client: Client) -> None:
    counters.add("results_ahead", 7)
    assert "7 results refused because their time was in the future" in health(client)[2]["clocks"]["message"]

    EngineCounter.objects.update(raised_at=timezone.now() - clock_check.REFUSALS_LOOK_BACK)
    assert health(client)[2]["clocks"]["status"] == "healthy"


def test_specs_that_a_worker_refused_are_counted_once(client: Client) -> None:
    stamp = {"name": "p", "role": "probe", "region": None, "started_at": timezone.now().isoformat(), "look": None}
    for refused in (3, 3, 5):
        workers.keep({**stamp, "counters": {"ahead": refused}}, timezone.now())

    assert EngineCounter.objects.get(name="specs_ahead").value == 5
    assert "specs refused" in health(client)[2]["clocks"]["message"]


def test_where_nobody_dispatches_health_says_what_to_start(client: Client) -> None:
    dispatched(60)
    make_worker(None, role="engine")
    make_worker(None, role="dispatch", seen_s_ago=21)

    dependencies = health(client)[2]

    assert dependencies["dispatch"]["message"].endswith("no dispatcher is running, start one: manage.py run dispatch")


def test_health_names_the_command_of_an_installed_package(client: Client, settings: Settings) -> None:
    settings.PROGRAM_NAME = "slamonitor"
    dispatched(60)

    assert health(client)[2]["dispatch"]["message"].endswith("start one: slamonitor run dispatch")


def test_nothing_dispatched_yet_is_degraded_only(client: Client) -> None:
    assert health(client)[:2] == (200, "degraded")


@pytest.mark.parametrize("seen_s_ago", [21, 4000])
def test_a_region_without_a_worker_is_named(client: Client, seen_s_ago: Any) -> None:
    make_service(regions=["default", "seoul"])
    make_worker()
    make_worker("seoul", seen_s_ago)
    dispatched(-2)

    code, _status, dependencies = health(client)

    assert code == 503
    assert dependencies["workers"]["message"] == "no probe worker for region seoul"


def test_an_unreachable_redis_is_named_without_its_password(client: Client, settings: Settings) -> None:
    dispatched(-2)
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"

    code, _status, dependencies = health(client)

    assert (code, dependencies["redis"]["status"]) == (503, "unhealthy")
    assert "secret" not in str(dependencies)


@pytest.mark.parametrize(("refused_s_ago", "status"), [(1, "degraded"), (3600, "healthy")])
def test_messages_that_were_refused_lately_are_told(client: Client, refused_s_ago: Any, status: Any) -> None:
    make_worker()
    refused_at = timezone.now() - timedelta(seconds=refused_s_ago)
    EngineWorker.objects.update(counters={"refused_messages": 1234, "refused_at_ms": refused_at.timestamp() * 1000})

    found = health(client)[2]["messages"]

    assert found["status"] == status
    assert ("refused 1,234 messages" in found.get("message", "")) == (status == "degraded")
