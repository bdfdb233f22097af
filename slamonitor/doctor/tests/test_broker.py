from typing import Any

import pytest
from pytest_django import Settings

from monitoring.tests.factories import make_service
from observability.diagnostics import Verdict
from slamonitor.celery import app
from slamonitor.doctor import broker

MB = 1024**2
INFO = {
    "redis_version": "7.2.4",
    "used_memory": 10 * MB,
    "maxmemory": 512 * MB,
    "policy": "noeviction",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
}


def test_redis_answers() -> None:
    found = broker.redis_answers()

    assert found.verdict is Verdict.GOOD
    assert "of 512.0 MB" in found.says


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, "good", "Redis 7.2.4 uses 10.0 MB of 512.0 MB"),
        ({"maxmemory": 0}, "good", "of no limit"),
        ({"policy": ""}, "good", "Redis 7.2.4"),
        ({"redis_version": "6.0.16"}, "bad", "too old"),
        ({"used_memory": 500 * MB}, "bad", "500.0 MB of 512.0 MB"),
        ({"used_memory": 420 * MB}, "warning", "420.0 MB"),
        ({"policy": "allkeys-lru"}, "bad", "drops messages"),
        ({"aof_last_write_status": "err"}, "bad", "could not write"),
        ({"aof_enabled": 0}, "note", "Redis 7.2.4"),
    ],
)
def test_redis_is_judged_by_what_it_would_lose(change: Any, verdict: str, words: str) -> None:
    found = broker.judge_redis({**INFO, **change})

    assert (found.verdict, words in found.says) == (verdict, True), found.says


def test_a_redis_that_is_not_there_is_bad_with_a_remedy(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    found = broker.redis_answers()

    assert (found.verdict, "refused" in found.says, "REDIS_URL" in found.remedy) == (Verdict.BAD, True, True)


def test_depths_are_those_of_the_broker_and_unused_queues_have_none() -> None:
    with app.connection_for_write() as connection, connection.SimpleQueue("depth-of-this") as queue:
        for number in range(3):
            queue.put(number)
        try:
            assert broker.depths(["depth-of-this", "never-used"]) == {"depth-of-this": 3, "never-used": 0}
        finally:
            queue.clear()


@pytest.mark.django_db
def test_every_region_in_use_has_its_queue() -> None:
    make_service(regions=["seoul"])

    assert [row[0] for row in broker.queues().table.rows][-1] == "probes.seoul"


@pytest.mark.parametrize(
    ("waiting", "verdict"),
    [
        ({"results": 500, "probes.seoul": 100}, "good"),
        ({"results": 501}, "warning"),
        ({"dispatch": 11}, "warning"),
        ({"probes.seoul": 101}, "warning"),
        ({"results": 5_001}, "bad"),
    ],
)
def test_a_queue_falls_behind_by_what_it_is_for(waiting: Any, verdict: str) -> None:
    found = broker.judge_queues(waiting)

    assert found.verdict == verdict
    assert bool(found.remedy) == (verdict != "good")
