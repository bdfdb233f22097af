"""The doors of the engine: what becomes of a message when the work behind it fails."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from django.db import OperationalError, connection

from monitoring import tasks
from monitoring.models import WatchServerLog
from monitoring.tests.factories import make_result, make_service
from monitoring.worker import messages

pytestmark = pytest.mark.django_db


def failing_with(error: Exception) -> Callable[..., object]:
    def fail(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        if "INSERT INTO watch_server_logs" in sql:
            raise error
        return execute(sql, params, many, context)

    return fail


@pytest.mark.parametrize("error", [OperationalError("terminating connection"), SoftTimeLimitExceeded()])
def test_a_batch_that_the_database_keeps_waiting_goes_back_to_the_queue(
    error: Any, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    make_service()
    time_machine.move_to("2025-03-10 00:01", tick=False)
    monkeypatch.setattr(tasks, "DATABASE_AWAY_S", 0)
    batch = messages.pack_results([make_result(0)])

    with connection.execute_wrapper(failing_with(error)), pytest.raises(Reject) as rejected:
        tasks.record(batch)

    assert rejected.value.requeue
    tasks.record(batch)
    assert WatchServerLog.objects.count() == 1


def test_a_batch_that_no_database_would_take_does_not_come_back(time_machine: Any) -> None:
    time_machine.move_to("2025-03-10 00:01", tick=False)
    doctored = make_result(0, service_id=Random(1).randbytes(4000).hex())

    with pytest.raises(OperationalError, match="index row"):
        tasks.record(messages.pack_results([doctored]))
