"""The loop in its own thread, with probes that answer as a test says; nothing here touches a network."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitoring.probes.attempt import Stalled
from monitoring.probes.failures import NotAllowed
from monitoring.tests.factories import START_MS, make_result
from monitoring.worker import probe_loop
from monitoring.worker.probe_loop import AHEAD_S, BATCH, ProbeLoop
from monitoring.worker.tests.test_messages import SPEC

PATIENCE_S = 10


class Broker:
    """Take batches, or refuse the first so many."""

    def __init__(self, refusals: int = 0) -> None:
        self.batches: list[Any] = []
        self.refusals, self.arrived = refusals, threading.Condition()

    def __call__(self, results: Any) -> None:
        with self.arrived:
            if self.refusals:
                self.refusals -= 1
                raise ConnectionError("the broker is away")
            self.batches.append(list(results))
            self.arrived.notify_all()

    @property
    def results(self) -> Any:
        return [result for batch in self.batches for result in batch]

    def wait_for(self, count: Any) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.results) >= count, PATIENCE_S), len(self.results)


def specs(count: Any, due_in_s: float = 0.0) -> Any:
    due = round((time.time() + due_in_s) * 1000)
    return [replace(SPEC, service_id=f"service-{n}", due_at_ms=due, expires_at_ms=due + 10_000) for n in range(count)]


def answering(make: Any = None) -> Any:
    async def probe(spec: Any, lateness_ms: Any) -> Any:
        return make_result((spec.due_at_ms - START_MS) / 1000, service_id=spec.service_id, lateness_ms=lateness_ms)

    return lambda: make or probe


@pytest.fixture
def started() -> Iterator[Any]:
    loops = []

    def start(broker: Any, probe: Any = None, max_held: int = 1000) -> Any:
        loops.append(ProbeLoop(answering(probe), broker, max_held=max_held))
        return loops[-1]

    yield start
    for loop in loops:
        loop.stop(5)


def test_every_spec_becomes_a_result_in_batches(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_loop, "BATCH_WAIT_S", 3600)  # else a busy machine might send a batch that is not full yet
    broker = Broker()
    loop = started(broker)

    loop.submit(specs(BATCH + 30))
    assert loop.finish(PATIENCE_S)
    loop.stop(PATIENCE_S)

    assert [len(batch) for batch in broker.batches] == [BATCH, 30]
    assert loop.counters["probes"] == BATCH + 30


def test_a_batch_that_is_not_full_leaves_after_a_moment(started: Any) -> None:
    broker = Broker()

    started(broker).submit(specs(3))

    broker.wait_for(3)


def test_a_loop_that_cannot_begin_raises_in_its_callers() -> None:
    def make_probe() -> None:
        raise OSError("no file of trusted authorities")

    with pytest.raises(OSError, match="no file of trusted authorities"):
        ProbeLoop(make_probe, Broker(), max_held=10)


def test_a_probe_does_not_start_before_it_is_due(started: Any) -> None:
    broker = Broker()

    started(broker).submit(specs(1, due_in_s=0.3))
    broker.wait_for(1)

    assert 0 <= broker.results[0].lateness_ms < 5000
    assert broker.results[0].checked_at_ms <= time.time() * 1000


def test_an_expired_spec_is_dropped_and_counted(started: Any) -> None:
    broker = Broker()
    loop = started(broker)

    loop.submit([replace(spec, expires_at_ms=1) for spec in specs(3)] + specs(1))
    broker.wait_for(1)

    assert loop.counters["expired"] == 3
    assert len(broker.results) == 1


def test_a_spec_of_a_far_future_is_refused_and_takes_no_place(started: Any, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker()
    loop = started(broker, max_held=10)

    loop.submit(specs(10, due_in_s=3600))
    loop.submit(specs(1))
    broker.wait_for(1)

    assert loop.finish(PATIENCE_S)
    assert (loop.counters["ahead"], loop.counters["held"]) == (10, 0)
    assert caplog.text.count("specs refused: they are due too far ahead") == 1


@pytest.mark.parametrize("back_s", [3.0, 3600.0])
def test_nothing_begins_too_soon_because_the_clock_was_set_back(back_s: Any) -> None:
    now, broker = [1_700_000_000.0], Broker()
    loop = ProbeLoop(answering(), broker, max_held=10, clock=lambda: now[0])
    try:
        due_ms = round(now[0] * 1000) + 100
        now[0] -= 0.05
        loop.submit([replace(SPEC, due_at_ms=due_ms, expires_at_ms=due_ms + 10_000)])
        now[0] -= back_s
        if back_s > AHEAD_S:
            assert loop.finish(PATIENCE_S)
            assert loop.counters["ahead"] == 1
        else:
            assert not loop.finish(0.3)
            now[0] += back_s + 0.2
            broker.wait_for(1)
            assert broker.results[0].lateness_ms < 200
    finally:
        loop.stop(5)


def test_a_fault_of_ours_is_no_result(started: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(spec: Any, lateness_ms: Any) -> Any:
        if spec.service_id == "service-0":
            raise RuntimeError("a bug")
        return make_result(0, service_id=spec.service_id)

    broker = Broker()
    loop = started(broker, broken)
    loop.submit(specs(2))
    broker.wait_for(1)

    assert (loop.counters["own_errors"], loop.counters["probes"]) == (1, 1)
    assert "probe failed by a fault of ours" in caplog.text


def test_an_address_that_our_own_rules_refuse_is_no_result_and_no_fault(
    started: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(spec: Any, lateness_ms: Any) -> None:
        raise NotAllowed("refused to connect to 127.0.0.1")

    broker = Broker()
    loop = started(broker, refuse)
    loop.submit(specs(3))

    assert loop.finish(PATIENCE_S)
    assert (loop.counters["refused"], loop.counters["own_errors"], broker.results) == (3, 0, [])
    assert "fault of ours" not in caplog.text


def test_what_a_standstill_spoils_is_no_result_and_one_line(started: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def stalled(spec: Any, lateness_ms: Any) -> Any:
        if spec.service_id != "service-0":
            raise Stalled("our loop stood still for 900 of 1000 ms")
        return make_result(0, service_id=spec.service_id)

    broker = Broker()
    loop = started(broker, stalled)
    loop.submit([*specs(51)[1:], *specs(1)])
    broker.wait_for(1)

    assert (loop.counters["stalled"], loop.counters["probes"], loop.counters["own_errors"]) == (50, 1, 0)
    loop.stop(PATIENCE_S)
    assert caplog.text.count("no verdict because this worker was stalled") == 1


def test_there_is_room_for_so_many_and_the_next_batch_waits(started: Any) -> None:
    release = threading.Event()

    async def waiting(spec: Any, lateness_ms: Any) -> Any:
        await asyncio.to_thread(release.wait, PATIENCE_S)
        return make_result(0, service_id=spec.service_id)

    broker = Broker()
    loop = started(broker, waiting, max_held=10)
    loop.submit(specs(10))
    second = threading.Thread(target=loop.submit, args=[specs(5)])
    second.start()
    assert loop.counters["held"] == 10 and second.is_alive()

    release.set()
    second.join(PATIENCE_S)
    broker.wait_for(15)


def test_a_batch_that_the_broker_refuses_is_sent_again(started: Any, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(refusals=2)

    started(broker).submit(specs(1))
    broker.wait_for(1)

    assert caplog.text.count("results not published") == 2


def test_finishing_waits_for_what_was_taken_over(started: Any) -> None:
    broker, may_answer = Broker(), threading.Event()

    async def slow(spec: Any, lateness_ms: Any) -> Any:
        await asyncio.to_thread(may_answer.wait, PATIENCE_S)
        return make_result(1, service_id=spec.service_id)

    loop = started(broker, slow)
    loop.submit(specs(3, due_in_s=0.1))

    assert not loop.finish(0.01), "they are not due yet"
    may_answer.set()
    assert loop.finish(PATIENCE_S)
    loop.stop(PATIENCE_S)
    assert len(broker.results) == 3


def test_stopping_publishes_what_is_finished_and_drops_the_rest(started: Any) -> None:
    began = threading.Event()

    async def some_hang(spec: Any, lateness_ms: Any) -> Any:
        if spec.service_id == "service-1":
            began.set()
            await asyncio.sleep(3600)
        return make_result(0, service_id=spec.service_id)

    broker = Broker()
    loop = started(broker, some_hang)
    loop.submit(specs(2))
    loop.submit(specs(1, due_in_s=3600))
    assert began.wait(PATIENCE_S)

    loop.stop(5)

    assert [result.service_id for result in broker.results] == ["service-0"]
    loop.submit(specs(1))
    assert len(broker.results) == 1, "nothing is taken after the end"
