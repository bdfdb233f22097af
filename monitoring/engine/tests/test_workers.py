"""Stamps, sent from a thread of their own."""

import queue
from typing import Any

import pytest

from monitoring.worker.stamper import Stamper, role_of

PATIENCE_S = 10


@pytest.mark.parametrize(
    ("queues", "role"),
    [
        (["dispatch"], "dispatch"),
        (["probes.seoul", "probes.default"], "probe"),
        (["results", "alerts", "rollups"], "engine"),
        (["dispatch", "results", "alerts", "rollups"], "engine"),  # as before dispatch had a process of its own
    ],
)
def test_a_worker_is_for_what_its_queues_hold(queues: Any, role: Any) -> None:
    assert role_of(queues) == role


@pytest.fixture
def sent() -> Any:
    return queue.Queue()


def stamper(sent: Any, **about: Any) -> Any:
    return Stamper(
        name="probe1", role="probe", region="seoul", send=sent.put, **{"counters": dict, "every_s": 0.01, **about}
    )


def test_a_worker_is_not_taken_for_dead_because_one_stamp_failed(sent: Any, caplog: pytest.LogCaptureFixture) -> None:
    failures = [RuntimeError("a bug"), OSError("too many open files")]

    def counters() -> Any:
        if failures:
            raise failures.pop()
        return {"probes": 3}

    stamps = stamper(sent, counters=counters)
    stamps.start()
    try:
        stamp = sent.get(timeout=PATIENCE_S)
    finally:
        stamps.stop()

    assert (stamp["name"], stamp["counters"]) == ("probe1", {"probes": 3})
    assert "a bug" in caplog.text
