"""Make probes at the instant they are due: one event loop in a thread of its own, shared by all tasks of a worker.

Tasks hand specs over and return; the loop starts each at its `due_at`, so lateness is milliseconds and load is even.
Finished results leave in lots, published by another thread, so neither a slow broker nor a hanging target delays
anybody. Knows neither Django nor Celery.
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
from monitoring.probes.failures import NotAllowed
from monitoring.probes.model import ProbeResult, ProbeSpec

logger = logging.getLogger(__name__)

BEGUN_IN_A_TURN = 50  # about 5 ms of work, as much again for each of the few turns that they take
LOT = 200  # recording one of 200 takes a quarter less than two of 100
LOT_WAIT_S = 0.2
STALLS_TOLD_S = 1.0  # one line for all that a standstill spoilt
AHEAD_S = 5.0  # slots are handed out two seconds ahead; who hands out a later one goes by another clock
EARLY_S = 0.01  # timers are true to a millisecond
AHEAD_TOLD_S = 10.0
KEPT_LOTS = 500  # while the broker takes none; those that finish then are lost, and counted

MakeProbe = Callable[[], Callable[[ProbeSpec, float], Coroutine[Any, Any, ProbeResult]]]
Publish = Callable[[Sequence[ProbeResult]], None]


class ProbeLoop:
    """Hold specs until they are due, probe, and publish what was found.

    `make_probe` is called once inside the loop and returns `probe(spec, lateness_ms)`; what it raises, making the loop
    raises. `publish` is called from one thread and may raise, in which case the lot is tried again. `counters` says
    what happened since the start. `clock` gives the Unix seconds by which specs are due, and may leap.
    """

    def __init__(
        self, make_probe: MakeProbe, publish: Publish, *, max_held: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._make_probe, self._clock, self._max_held = make_probe, clock, max_held
        self._ahead_told_at = -AHEAD_TOLD_S
        self._loop = uvloop.new_event_loop()
        self._room = threading.Condition()
        self._held = 0  # specs handed over and not yet finished
        self._stopping = False
        self._due: deque[ProbeSpec] = deque()  # those that wait for the loop's next turn
        self._begun_in_turn = 0
        self._running: set[asyncio.Task[None]] = set()
        self._lot: list[ProbeResult] = []
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
        """Return probes made, specs expired, specs refused because they were due too far ahead, probes without a
        verdict because this loop stood still or our own rules forbade the address, errors of ours and results lost
        since the start, and specs held now.
        """
        counts = dict.fromkeys(("probes", "expired", "ahead", "stalled", "refused", "own_errors", "lost"), 0)
        return {**counts, **self._counts, "held": self._held}

    def submit(self, specs: Sequence[ProbeSpec]) -> None:
        """Take specs over as soon as there is room for them; once stopping they are dropped, and so gaps."""
        with self._room:
            self._room.wait_for(lambda: self._stopping or self._held + len(specs) <= max(self._max_held, len(specs)))
            if self._stopping:
                return
            self._held += len(specs)
        self._loop.call_soon_threadsafe(self._plan, specs)

    def ask(self, specs: Sequence[ProbeSpec], timeout_s: float) -> list[ProbeResult] | None:
        """Probe at once, apart from all that is due; None when that fails or takes too long. Not in the loop itself."""

        async def attempts() -> list[ProbeResult]:
            return await asyncio.gather(*(self._probe(spec, 0.0) for spec in specs))

        if self._stopping:
            return None
        asked = asyncio.run_coroutine_threadsafe(attempts(), self._loop)
        try:
            return asked.result(timeout_s)
        except (TimeoutError, concurrent.futures.CancelledError):
            asked.cancel()
            return None
        except Exception:
            # Ours, as in `_attempt`; who asks has results to publish, which must not wait until it is mended.
            logger.exception("probe failed by a fault of ours", extra=_named(specs[0]))
            return None

    def finish(self, timeout_s: float) -> bool:
        """Wait until every spec that was taken over is probed, and say whether that came to pass in time."""
        with self._room:
            return self._room.wait_for(lambda: self._held == 0, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Publish every finished result and drop the rest: specs not begun and probes under way are gaps."""
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
        except BaseException as error:  # noqa: BLE001  whoever waits for the start raises it
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
        """Wait until a spec is due, but not for one of a far future: it would take the place of what is due now."""
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
        """Begin those that had to wait, in the turn after the one in which something was begun."""
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
        if spec.due_at_ms / 1000 - now > EARLY_S:  # the clock was set back while it waited
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
        except NotAllowed:
            self._finish("refused")  # `probe` has noted whom and why
        except Exception:
            # Ours, not the target's: no verdict is stored, so the time shows as a gap instead of as their downtime.
            logger.exception("probe failed by a fault of ours", extra=_named(spec))
            self._finish("own_errors")
        else:
            self._collect(result)
            self._finish("probes")

    def _note_stall(self, stall: Stalled) -> None:
        """Have one line written for all probes that one standstill spoils: there may be thousands."""
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
        self._lot.append(result)
        if len(self._lot) >= LOT:
            self._flush()
        elif self._flush_at is None:
            self._flush_at = self._loop.call_later(LOT_WAIT_S, self._flush)

    def _flush(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        if self._lot:
            self._outbox.put(self._lot)
            self._lot = []


def _named(spec: ProbeSpec) -> dict[str, str]:
    return {"service_id": spec.service_id, "region": spec.region, "trace_id": spec.trace_id}


class Outbox:
    """Publish lots from a thread of its own, in order, trying again until the broker takes them."""

    def __init__(self, publish: Publish, on_lost: Callable[[int], None]) -> None:
        self._publish, self._on_lost = publish, on_lost
        self._lots: queue.Queue[list[ProbeResult] | None] = queue.Queue(KEPT_LOTS)
        self._give_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe-outbox", daemon=True)
        self._thread.start()

    def put(self, lot: list[ProbeResult]) -> None:
        """Queue a lot without waiting; when too many lie there, it is lost rather than letting memory grow."""
        try:
            self._lots.put_nowait(lot)
        except queue.Full:
            self._on_lost(len(lot))

    def close(self, timeout_s: float) -> None:
        """Publish what is queued, for at most `timeout_s`."""
        try:
            self._lots.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)
        except queue.Full:
            pass
        self._give_up.set()

    def _run(self) -> None:
        while (lot := self._lots.get()) is not None:
            self._publish_until_taken(lot)

    def _publish_until_taken(self, lot: list[ProbeResult]) -> None:
        wait_s = 0.1
        while not self._give_up.is_set():
            try:
                return self._publish(lot)
            except Exception as error:  # noqa: BLE001  the broker may fail in any way
                logger.warning("results not published, trying again", extra={"results": len(lot), "why": repr(error)})
                self._give_up.wait(wait_s)
                wait_s = min(2 * wait_s, 5.0)
        self._on_lost(len(lot))
