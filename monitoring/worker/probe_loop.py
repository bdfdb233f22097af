"""Start probes exactly when they are due, in one event loop with its own thread, shared by all tasks of a worker.

Tasks submit specs and return. The loop starts each probe at its `due_at`, so lateness is milliseconds and the load is
even. Another thread publishes the results in batches, so neither a slow broker nor a hanging target delays other
probes. No Django, no Celery here.
"""

import asyncio
import concurrent.futures
import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvloop

from monitoring.probes.attempt import Stalled
from monitoring.probes.failures import NoNameServer, NoVerdict
from monitoring.probes.model import ProbeResult, ProbeSpec

logger = logging.getLogger(__name__)

BEGUN_IN_A_TURN = 50  # about 5 ms of work, and as much in each of the few turns that they take
BATCH = 200  # recording one of 200 takes a quarter less than two of 100
BATCH_WAIT_S = 0.2
STALLS_TOLD_S = 1.0  # one log line for all probes spoilt by a stall
AHEAD_S = 5.0  # slots are dispatched two seconds ahead; a later one means that clocks differ
EARLY_S = 0.01  # timers are precise to a millisecond
AHEAD_TOLD_S = 10.0
KEPT_BATCHES = 500  # while the broker is away; further ones are lost, and counted

MakeProbe = Callable[[], Callable[[ProbeSpec, float], Coroutine[Any, Any, ProbeResult]]]
Publish = Callable[[Sequence[ProbeResult]], None]


class ProbeLoop:
    """Hold specs until they are due, probe, and publish the results.

    `make_probe` is called once inside the loop and returns `probe(spec, lateness_ms)`; the constructor raises its
    exceptions. `publish` is called from one thread and may raise, in which case the batch is tried again. `counters`
    counts events since the start. `clock` returns Unix seconds, to which due times refer, and may leap.
    """

    def __init__(
        self, make_probe: MakeProbe, publish: Publish, *, max_held: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._make_probe, self._clock, self._max_held = make_probe, clock, max_held
        self._ahead_told_at = -AHEAD_TOLD_S
        self._loop = uvloop.new_event_loop()
        self._room = threading.Condition()
        self._held = 0  # specs submitted and not yet finished
        self._stopping = False
        self._due: deque[ProbeSpec] = deque()  # specs that wait for the loop's next turn
        self._begun_in_turn = 0
        self._running: set[asyncio.Task[None]] = set()
        self._batch: list[ProbeResult] = []
        self._flush_at: asyncio.TimerHandle | None = None
        self._stalls: list[Stalled] = []
        self._counts: Counter[str] = Counter()
        self._begun: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="probe-loop", daemon=True)
        self._thread.start()
        self._begun.result()
        self._outbox = Outbox(publish, on_lost=lambda count: self._count("lost", count))

    @property
    def counters(self) -> dict[str, int]:
        """Return the counters since the start, and the specs held now.

        Counted are probes, expired specs, specs refused because they were due too far ahead, probes without a verdict
        because this loop stalled, our own rules forbid the address, our DNS servers don't work or a registry cannot be
        asked, errors of ours, and lost results.
        """
        names = ("probes", "expired", "ahead", "stalled", "refused", "unresolved", "unknown", "own_errors", "lost")
        counts = dict.fromkeys(names, 0)
        return {**counts, **self._counts, "held": self._held}

    def submit(self, specs: Sequence[ProbeSpec]) -> None:
        """Accept specs, after waiting for room; while stopping, they are dropped and become gaps."""
        with self._room:
            self._room.wait_for(lambda: self._stopping or self._held + len(specs) <= max(self._max_held, len(specs)))
            if self._stopping:
                return
            self._held += len(specs)
        self._loop.call_soon_threadsafe(self._plan, specs)

    def ask(self, specs: Sequence[ProbeSpec], timeout_s: float) -> list[ProbeResult | None] | None:
        """Probe immediately, apart from due specs; None if it fails or takes too long. Don't call it in the loop.

        The result is None where our own DNS servers don't work.
        """

        async def attempt(spec: ProbeSpec) -> ProbeResult | None:
            try:
                return await self._probe(spec, 0.0)
            except NoNameServer:
                return None

        async def attempts() -> list[ProbeResult | None]:
            return await asyncio.gather(*map(attempt, specs))

        if self._stopping:
            return None
        asked = asyncio.run_coroutine_threadsafe(attempts(), self._loop)
        try:
            return asked.result(timeout_s)
        except (TimeoutError, concurrent.futures.CancelledError):
            asked.cancel()
            return None
        except Exception:
            # An error of ours, as in `_attempt`; the caller has results to publish, which must not wait for it.
            logger.exception("probe failed by a fault of ours", extra=_named(specs[0]))
            return None

    def finish(self, timeout_s: float) -> bool:
        """Wait until all accepted specs are probed, and return whether they were in time."""
        with self._room:
            return self._room.wait_for(lambda: self._held == 0, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Publish all finished results and drop the rest: waiting specs and running probes become gaps."""
        with self._room:
            self._stopping = True
            self._room.notify_all()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout_s)
        self._outbox.close(timeout_s)

    # --- in the loop's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._probe = self._make_probe()
        except BaseException as error:  # noqa: BLE001  the constructor raises it
            self._loop.close()
            return self._begun.set_exception(error)
        self._begun.set_result(None)
        self._loop.run_forever()
        self._flush()
        self._tell_stalls()
        for task in self._running:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._running, return_exceptions=True))
        self._loop.close()

    def _plan(self, specs: Sequence[ProbeSpec]) -> None:
        now = self._clock()
        for spec in specs:
            self._hold(spec, now)

    def _hold(self, spec: ProbeSpec, now: float) -> None:
        """Hold a spec until it is due, but refuse one in the far future, which would take room from others."""
        ahead_s = spec.due_at_ms / 1000 - now
        if ahead_s > AHEAD_S:
            self._refuse(spec, ahead_s)
        else:
            self._loop.call_later(max(0.0, ahead_s), self._begin_or_wait, spec)

    def _refuse(self, spec: ProbeSpec, ahead_s: float) -> None:
        if self._loop.time() - self._ahead_told_at >= AHEAD_TOLD_S:
            self._ahead_told_at = self._loop.time()
            told = {**_named(spec), "ahead_s": round(ahead_s, 1)}
            logger.error("specs refused: they are due too far ahead, so a clock is wrong", extra=told)
        self._finish("ahead")

    def _begin_or_wait(self, spec: ProbeSpec) -> None:
        """Begin what is due, so little in one turn of the loop that those under way are read from in time.

        Past its capacity the loop then begins late, and in the end drops what has expired, but still finishes what it
        has begun. Without this all would be begun, and all would time out.
        """
        if not self._begun_in_turn:
            self._loop.call_soon(self._turn)
        if self._begun_in_turn < BEGUN_IN_A_TURN:
            self._begin(spec)
            self._begun_in_turn += 1
        else:
            self._due.append(spec)

    def _turn(self) -> None:
        """Begin waiting probes, in the turn after one in which others were begun."""
        self._begun_in_turn = min(len(self._due), BEGUN_IN_A_TURN)
        for _ in range(self._begun_in_turn):
            self._begin(self._due.popleft())
        if self._begun_in_turn:
            self._loop.call_soon(self._turn)

    def _begin(self, spec: ProbeSpec) -> None:
        now = self._clock()
        now_ms = now * 1000
        if now_ms > spec.expires_at_ms:
            self._finish("expired")
            return
        if spec.due_at_ms / 1000 - now > EARLY_S:  # the clock was set back while the spec waited
            self._hold(spec, now)
            return
        task = self._loop.create_task(self._attempt(spec, max(0.0, now_ms - spec.due_at_ms)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _attempt(self, spec: ProbeSpec, lateness_ms: float) -> None:
        try:
            result = await self._probe(spec, lateness_ms)
        except asyncio.CancelledError:
            raise
        except Stalled as stall:
            self._note_stall(stall)
            self._finish("stalled")
        except NoVerdict as why:
            self._finish(why.outcome)  # `probe` has recorded the target and the reason
        except Exception:
            # An error of ours, not of the target: no verdict is stored, so the slot is a gap and not downtime.
            logger.exception("probe failed by a fault of ours", extra=_named(spec))
            self._finish("own_errors")
        else:
            self._collect(result)
            self._finish("probes")

    def _note_stall(self, stall: Stalled) -> None:
        """Log one line for all probes that one stall spoils, as there may be thousands."""
        if not self._stalls:
            self._loop.call_later(STALLS_TOLD_S, self._tell_stalls)
        self._stalls.append(stall)

    def _tell_stalls(self) -> None:
        if self._stalls:
            told = {"probes": len(self._stalls), "why": str(self._stalls[0])}
            logger.warning("no verdict because this worker was stalled", extra=told)
            self._stalls.clear()

    def _finish(self, outcome: str) -> None:
        self._count(outcome, 1)
        with self._room:
            self._held -= 1
            self._room.notify_all()

    def _count(self, name: str, number: int) -> None:
        self._counts[name] += number

    def _collect(self, result: ProbeResult) -> None:
        self._batch.append(result)
        if len(self._batch) >= BATCH:
            self._flush()
        elif self._flush_at is None:
            self._flush_at = self._loop.call_later(BATCH_WAIT_S, self._flush)

    def _flush(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        if self._batch:
            self._outbox.put(self._batch)
            self._batch = []


def _named(spec: ProbeSpec) -> dict[str, str]:
    return {"service_id": spec.service_id, "region": spec.region, "trace_id": spec.trace_id}


class Outbox:
    """Publish batches from a separate thread, in order, trying again until the broker accepts them."""

    def __init__(self, publish: Publish, on_lost: Callable[[int], None]) -> None:
        self._publish, self._on_lost = publish, on_lost
        self._batches: queue.Queue[list[ProbeResult] | None] = queue.Queue(KEPT_BATCHES)
        self._give_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe-outbox", daemon=True)
        self._thread.start()

    def put(self, batch: list[ProbeResult]) -> None:
        """Queue a batch without waiting; if too many are queued, it is lost, so that memory does not grow."""
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            self._on_lost(len(batch))

    def close(self, timeout_s: float) -> None:
        """Publish what is queued, for at most `timeout_s`."""
        try:
            self._batches.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
        except queue.Full:
            pass
        self._give_up.set()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._publish_until_taken(batch)

    def _publish_until_taken(self, batch: list[ProbeResult]) -> None:
        wait_s = 0.1
        while not self._give_up.is_set():
            try:
                return self._publish(batch)
            except Exception as error:  # noqa: BLE001  the broker may fail in any way
                logger.warning("results not published, trying again", extra={"results": len(batch), "why": repr(error)})
                self._give_up.wait(wait_s)
                wait_s = min(2 * wait_s, 5.0)
        self._on_lost(len(batch))
