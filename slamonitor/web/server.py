"""All connections of the front process: admit them, and have requests handled in memory, in a thread, or in the back
process.
"""

import asyncio
import logging
import socket
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings

from observability import metrics
from observability.buckets import neighbourhood
from observability.harmless import harmless
from slamonitor.web import limits
from slamonitor.web.connection import Connection
from slamonitor.web.link import Link, Started, start
from slamonitor.web.memory import from_memory
from slamonitor.web.messages import Request, Response, environ_of, run
from slamonitor.web.pools import IN_BACK, IN_FRONT, Job, Kind, Pool, Seats
from slamonitor.web.refusals import refusal
from statuspage import front

logger = logging.getLogger(__name__)

SWEPT_EVERY_S = 0.5

_open = metrics.open_gauge("web_connections", "Connections to the web process.")
_refused = metrics.counter("web_refused", "Requests that were answered by the event loop itself.", ["why"])
_evicted = metrics.counter("web_evicted", "Connections closed in favour of others.", ["whose"])

Connections = OrderedDict[Connection, None]  # oldest first


class Server:
    """The server of a front process. All methods but `_work` must be called in the event loop."""

    def __init__(
        self,
        application: Any,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        now: Callable[[], float] | None = None,
        start_back: Callable[[socket.socket], Started] = start,
    ) -> None:
        self._application, self._loop = application, loop
        self._names = {"SERVER_NAME": address[0], "SERVER_PORT": str(address[1])}
        self.now = now or loop.time  # in seconds
        self._seats = {kind: Seats(kind) for kind in IN_BACK}
        self._pools = {kind: Pool(kind) for kind in IN_FRONT}
        self.buffer = memoryview(bytearray(limits.READ_BYTES))  # what is read stays in it only until it is copied
        self.soon = loop.call_soon
        self.visits: dict[bytes, front.Visit] = {}  # by the bytes of the request
        self.link = Link(self._open_seats, start_back)
        self.is_stopping = False
        self._most = limits.most_connections()
        self._all: Connections = OrderedDict()
        self._of: defaultdict[str, Connections] = defaultdict(OrderedDict)
        self._held_bytes = 0
        self.unread: Connections = OrderedDict()  # connections whose clients leave responses unread, the longest first
        self._emptied = asyncio.Event()  # set once no connection is left and `stop` waits for that

    # --- Connections ------------------------------------------------------------------------------------------------

    def admit(self, connection: Connection, address: str) -> bool:
        """Accept a connection. If too many are open, close the oldest one that is waiting for its client."""
        # Behind a proxy, all connections have the address of the proxy.
        whose = "" if settings.TRUSTED_PROXIES or not address else neighbourhood(address)
        mine = self._of.get(whose)
        if whose and mine and len(mine) >= limits.MOST_OF_ADDRESS and not self._evict(mine, "address"):
            return False
        if len(self._all) >= self._most and not self._evict(self._all, "all"):
            return False
        connection.neighbourhood = whose
        self._all[connection] = self._of[whose][connection] = None
        _open.inc()
        return True

    def forget(self, connection: Connection) -> None:
        self.unread.pop(connection, None)
        if connection not in self._all:
            return
        del self._all[connection]
        mine = self._of[connection.neighbourhood]
        del mine[connection]
        if not mine:
            del self._of[connection.neighbourhood]
        _open.dec()
        if not self._all:
            self._emptied.set()

    def _evict(self, connections: Connections, whose: str) -> bool:
        if not any(connection.evict() for connection in connections):
            return False
        _evicted.labels(whose).inc()
        return True

    def keep_sweeping(self) -> None:
        self.sweep()
        self._loop.call_later(SWEPT_EVERY_S, self.keep_sweeping)

    def sweep(self) -> None:
        """Expire the connections whose deadline has passed."""
        now = self.now()
        for connection in [each for each in self._all if each.deadline <= now]:
            connection.expire()
        self._bound_unread()

    def _bound_unread(self) -> None:
        """Close the connections that have been left unread the longest, if the answers take too much memory."""
        sizes = {connection: connection.unread_bytes for connection in self.unread}
        too_much = sum(sizes.values()) - limits.MOST_UNREAD_BYTES
        for connection, size_bytes in sizes.items():
            if too_much <= 0:
                break
            too_much -= size_bytes
            connection.drop()
            _evicted.labels("unread").inc()

    # --- Requests ---------------------------------------------------------------------------------------------------

    def hold(self, request: Request, size_bytes: int) -> bool:
        """Count what a request keeps in memory until its response; return False if the limit of all is reached."""
        if self._held_bytes + size_bytes > limits.MOST_HELD_BYTES:
            return False
        self._held_bytes += size_bytes
        request.held_bytes += size_bytes
        return True

    def release(self, request: Request) -> None:
        """Free the memory of a request's body, and stop counting it."""
        self._held_bytes -= request.held_bytes
        request.held_bytes = 0
        request.body.clear()

    def at_once(self, request: Request) -> Response | None:
        """Return the response if it is in memory, else None."""
        return from_memory(request.meta)

    def remember(self, said: bytes, request: Request) -> None:
        """Remember the bytes of a request for the page: browsers send the same ones again, and they need no parsing."""
        visit = front.plain_visit(request.meta)
        is_old = request.meta["SERVER_PROTOCOL"] != "HTTP/1.1"
        if visit is None or is_old or len(said) > limits.MOST_REMEMBERED_BYTES:
            return
        if len(self.visits) >= limits.MOST_REMEMBERED:
            self.visits.clear()
        self.visits[said] = visit

    def job(self, connection: Connection, request: Request, kind: Kind) -> tuple[Pool | Seats, Job]:
        """Return the pool or seats that handle a request, and the job for them."""
        if kind in self._seats:
            return self._seats[kind], partial(self._pass_on, connection, request, self._seats[kind])
        return self._pools[kind], partial(self._work, connection, request)

    def _work(self, connection: Connection, request: Request) -> None:
        """Handle a request; runs in a thread of its pool."""
        meta, body = {**request.meta, **self._names}, bytes(request.body)
        try:
            response = run(self._application, environ_of(meta, body, stderr=sys.stderr))
        except Exception:
            logger.exception("application failed")
            response = refusal(request.meta, 500)
        self._loop.call_soon_threadsafe(connection.finish, request, response)

    def _pass_on(self, connection: Connection, request: Request, seats: Seats) -> None:
        """Send a request to the back process."""

        def done(response: Response | None) -> None:
            if response is None:
                response = self.refuse(request, 503, "back process ended")
            else:
                seats.leave()
            connection.finish(request, response)

        self.link.ask(seats.kind.name, {**request.meta, **self._names}, request.body, done)

    def _open_seats(self, is_ready: bool) -> None:
        for seats in self._seats.values():
            if is_ready:
                seats.open()
            else:
                seats.close()

    def refuse(self, request: Request, status: int, why: str, code: str = "") -> Response:
        """Count a refused request and return the response."""
        with harmless("refused"):
            _refused.labels(why).inc()
        return refusal(request.meta, status, code)

    # --- The end ----------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Close idle connections at once and others after their response; return when none is left."""
        self.is_stopping = True
        for connection in list(self._all):
            connection.end()
        self._emptied.clear()
        if self._all:
            await self._emptied.wait()
