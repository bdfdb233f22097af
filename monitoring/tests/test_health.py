from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import DispatchWatermark, EngineWorker
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


def make_worker(region="default", seen_s_ago=1.0, role="probe"):
    now = timezone.now()
    EngineWorker.objects.create(
        name=f"{role} {region}",
        role=role,
        region=region,
        started_at=now,
        seen_at=now - timedelta(seconds=seen_s_ago),
    )


def dispatched(seconds_ago):
    DispatchWatermark.objects.create(dispatched_until=timezone.now() - timedelta(seconds=seconds_ago))


def health(client):
    answer = client.get("/health")
    return answer.status_code, answer.json()["status"], {d["name"]: d for d in answer.json()["dependencies"]}


def test_all_is_well_when_slots_go_out_and_workers_were_seen(client):
    make_service()
    make_worker()
    dispatched(-2)

    code, status, dependencies = health(client)

    assert (code, status) == (200, "healthy")
    assert {d["status"] for d in dependencies.values()} == {"healthy"}
    assert all(d["responseTime"] >= 0 for d in dependencies.values())


def test_a_stopped_beat_is_unhealthy_and_says_since_when(client, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    dispatched(60)
    make_worker(None, role="dispatch")

    code, status, dependencies = health(client)

    assert (code, status) == (503, "unhealthy")
    assert dependencies["dispatch"]["message"] == "no slot was dispatched for 60 s"


def test_where_nobody_dispatches_health_says_what_to_start(client):
    dispatched(60)
    make_worker(None, role="engine")
    make_worker(None, role="dispatch", seen_s_ago=21)

    dependencies = health(client)[2]

    assert dependencies["dispatch"]["message"].endswith("no process dispatches, start one: manage.py run dispatch")


def test_nothing_dispatched_yet_is_degraded_only(client):
    assert health(client)[:2] == (200, "degraded")


@pytest.mark.parametrize("seen_s_ago", [21, 4000])
def test_a_region_without_a_worker_is_named(client, seen_s_ago):
    make_service(regions=["default", "seoul"])
    make_worker()
    make_worker("seoul", seen_s_ago)
    dispatched(-2)

    code, _status, dependencies = health(client)

    assert code == 503
    assert dependencies["workers"]["message"] == "no probe worker for the region seoul"


def test_an_unreachable_redis_is_named_without_its_password(client, settings):
    dispatched(-2)
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"

    code, _status, dependencies = health(client)

    assert (code, dependencies["redis"]["status"]) == (503, "unhealthy")
    assert "secret" not in str(dependencies)
