"""The front process' end of the link to its back process: start, watch and restart it, and send it requests."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from observability import metrics
from observability.harmless import harmless
from slamonitor.web.frames import PING, Unpacker, packed
from slamonitor.web.messages import Response

logger = logging.getLogger(__name__)

PINGED_EVERY_S = 1.0
STARTS_WITHIN_S, SILENT_S = 60.0, 10.0  # after which it is killed
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # between its end and the next start
HEALTHY_AFTER_S = 60.0  # after which the pause is the first one again
ENDS_WITHIN_S = 0.3
LOOKED_EVERY_S = 0.01

_ended = metrics.counter("web_back_ended", "Back processes of the web that ended unexpectedly.", ["why"])

Done = Callable[[Response | None], None]


class Started(Protocol):
    """The methods of a process that this module uses."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...


def start(theirs: socket.socket) -> Started:
    """Start a back process with one end of a socket pair."""
    command = (sys.executable, "-m", "slamonitor.web.back", "--descriptor", str(theirs.fileno()))
    # It stays in our process group, so that it gets the signals that `up` sends to the group.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=os.environ)


class Link(asyncio.Protocol):
    """The link to the back process. All methods must be called in the event loop.

    `changed` is called with True when a back process is ready, and with False when it has ended. By then, the `done` of
    each of its requests was called with None.
    """

    def __init__(self, changed: Callable[[bool], None], start: Callable[[socket.socket], Started] = start) -> None:
        self._changed, self._start = changed, start
        self._numbers = itertools.count(PING + 1)
        self._asked: dict[int, Done] = {}
        self._unpacker = Unpacker()
        self._transport: Any = None
        self._unanswered = 0  # pings in a row; a clock would also count the time in which we are stopped
        self._is_ready = False
        self._lost = asyncio.Event()

    def ask(self, kind: str, meta: Mapping[str, Any], body: bytes | bytearray, done: Done) -> None:
        """Send a request. `done` is called with the response, or with None if the back process ends first."""
        number = next(self._numbers)
        self._asked[number] = done
        self._transport.write(packed(number, [kind, meta], body))

    async def keep(self) -> None:
        """Keep a back process running until this task is cancelled, then stop it."""
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                why = await self._one()
            except Exception:  # this task must survive, or no back process would be started again
                logger.exception("back process cannot be watched")
                why = "failed"
            with harmless("back process"):
                _ended.labels(why).inc()
            pause_s = FIRST_PAUSE_S if loop.time() - began >= HEALTHY_AFTER_S else pause_s
            logger.error("back process is started again", extra={"why": why, "pause_s": pause_s})
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _one(self) -> str:
        """Start a back process, wait for its end, and return the reason."""
        ours, theirs = socket.socketpair()
        self._unpacker, self._unanswered, self._lost = Unpacker(), 0, asyncio.Event()
        with contextlib.ExitStack() as stack:
            stack.callback(ours.close)
            with theirs:
                try:
                    process = self._start(theirs)
                except OSError as error:  # for example, no memory to fork
                    return f"cannot be started ({error.strerror})"
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_unix_connection(lambda: self, sock=ours)
            try:
                return await self._watched()
            finally:
                self._transport.abort()
                self._give_up()
                await _gone(process)

    async def _watched(self) -> str:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), PINGED_EVERY_S)
            if self._lost.is_set():
                return "ended"
            if self._unanswered * PINGED_EVERY_S >= (SILENT_S if self._is_ready else STARTS_WITHIN_S):
                return "silent"
            self._unanswered += 1
            self._transport.write(packed(PING, metrics.own_state()))

    def _give_up(self) -> None:
        if self._is_ready:
            self._is_ready = False
            self._changed(False)
        asked, self._asked = self._asked, {}
        for done in asked.values():
            done(None)

    # --- The loop ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._unanswered = 0
        for number, head, body in self._unpacker.feed(data):
            if number != PING:
                status, headers = head
                self._asked.pop(number)(Response(status, headers, body))
            elif not self._is_ready:
                self._is_ready = True
                self._changed(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up()  # at once, because nothing can be written any more
        self._lost.set()


async def _gone(process: Started) -> None:
    """Wait until a process has exited; closing the socket asked it to."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_reaped(process), ENDS_WITHIN_S)
        return
    process.kill()
    await _reaped(process)


async def _reaped(process: Started) -> None:
    while process.poll() is None:  # noqa: ASYNC110  no event tells
        await asyncio.sleep(LOOKED_EVERY_S)
