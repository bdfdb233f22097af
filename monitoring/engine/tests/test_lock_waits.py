"""Frequent tasks give up their thread while another process holds a lock, and finish when called again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import psycopg
import pytest
from celery.exceptions import Reject
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable
from time_machine import TimeMachineFixture

from database import locks, partitions
from monitoring import tasks
from monitoring.engine import recording
from monitoring.models import Transition, WatchServerLog
from monitoring.models.raw import RAW_TABLES
from monitoring.states import transitions
from monitoring.tests.factories import START, make_result, make_service
from monitoring.worker import messages

NOW = START + timedelta(hours=1)


@pytest.fixture(autouse=True)
def impatience(transactional_db: None, monkeypatch: pytest.MonkeyPatch, time_machine: TimeMachineFixture) -> None:
    time_machine.move_to(NOW, tick=False)
    for table in RAW_TABLES:
        partitions.ensure(table, {START.date()})
    monkeypatch.setattr(locks, "LOCK_WAIT_MS", 20)
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(partitions, "ATTEMPTS", 1)
    monkeypatch.setattr(tasks, "DATABASE_AWAY_S", 0)


@contextmanager
def held(sql: str) -> Iterator[None]:
    """Hold a lock in a session of its own."""
    found = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: found[name] for name in names if name in found}) as other:
        other.execute(sql)
        yield


def test_a_batch_goes_back_to_its_queue_and_is_stored_after_the_lock() -> None:
    make_service()
    batch = messages.pack_results([make_result(0)])

    with held("LOCK TABLE watch_server_logs IN SHARE MODE"), pytest.raises(Reject) as rejected:
        tasks.record(batch)

    assert rejected.value.requeue
    tasks.record(batch)
    assert WatchServerLog.objects.count() == 1


STAMP = {"name": "probe1", "role": "probe", "region": "default", "started_at": "2025-03-10T00:00:00Z", "counters": {}}


@pytest.mark.parametrize(
    ("lock", "task"),
    [
        ("LOCK TABLE engine_workers IN SHARE MODE", lambda: tasks.worker_seen(STAMP)),
        ("LOCK TABLE service_state IN EXCLUSIVE MODE", tasks.mark_silent),
        ("LOCK TABLE region_sights IN EXCLUSIVE MODE", tasks.mark_silent),
        ("LOCK TABLE heartbeats IN EXCLUSIVE MODE", tasks.mark_overdue),
        ("LOCK TABLE watch_server_logs IN ACCESS EXCLUSIVE MODE", tasks.roll_up_hours),
    ],
)
def test_what_comes_often_leaves_a_lock_to_its_next_call(
    lock: str, task: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    make_service()
    recording.record([make_result(0)], NOW)

    with held(lock):
        task()
    assert "a lock held up a task" in caplog.text

    caplog.clear()
    task()
    assert "a lock held up a task" not in caplog.text


def test_transitions_stay_unhandled_behind_a_lock() -> None:
    def claim() -> list[Transition]:
        with transitions.claimed("anybody", now=NOW) as found:
            return found

    with held("LOCK TABLE transition_claims IN EXCLUSIVE MODE"), pytest.raises(OperationalError) as raised:
        claim()

    assert isinstance(raised.value.__cause__, LockNotAvailable)
    assert claim() == []


def test_who_makes_a_partition_waits_briefly_for_another_who_does() -> None:
    table, day = "watch_server_logs", date(2031, 1, 1)

    with held(f"SELECT pg_advisory_lock({locks.key_of(f'partitions of {table}')})"), pytest.raises(OperationalError):
        partitions.ensure(table, {day})

    assert partitions.ensure(table, {day}) == [day]
    assert partitions.drop(table, day)
