"""One client connection. The event loop reads requests and writes responses; every wait has a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any

import httptools

from slamonitor.web import limits
from slamonitor.web.memory import of_visit
from slamonitor.web.messages import TOGETHER_BYTES, Request, Response, meta_name, split_url, written
from slamonitor.web.pools import Job, Kind, Pool, Seats, kind_of
from slamonitor.web.refusals import OVERLOADED

if TYPE_CHECKING:
    from slamonitor.web.server import Server


logger = logging.getLogger(__name__)

WHY = {
    400: "no HTTP",
    408: "too slow",
    413: "body",
    414: "address",
    431: "headers",
    503: "memory",
}  # labels of the metric


class State(Enum):
    """The event that a connection waits for."""

    REQUEST = "request"  # for the next request, or for the client to read the response
    HEADERS = "headers"  # for the rest of the headers
    BODY = "body"
    ANSWER = "answer"  # for a free thread or seat, and then for the response
    LINGERS = "lingers"  # for the client to close after a refusal; further bytes are discarded
    CLOSED = "closed"


OF_CLIENTS = (State.REQUEST, State.HEADERS, State.BODY, State.LINGERS)  # in these it waits for the client


class Connection(asyncio.Protocol):
    """A connection. httptools calls the methods `on_…`; asyncio calls `connection_…`, `data_received` and others."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser: Any = httptools.HttpRequestParser(self)
        self._request = Request()  # the one being read
        self._later: deque[Request] = deque()  # complete requests that wait for the current one
        self._current: Request | None = None  # the one being handled, or waiting for a thread or seat
        self._job: Job = lambda: None
        self._place: Pool | Seats | None = None
        self._transport: Any = None
        self._address = self.neighbourhood = ""
        self._is_ending = False  # True: stop reading
        self._is_between = True  # between two requests
        self._answered: Request | None = None  # the request being read, if it was already answered from memory
        self.state = State.REQUEST
        self.deadline = inf  # in seconds of the loop's clock

    # --- The loop ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.deadline = self._server.now() + limits.HEADERS_WITHIN_S
        if not self._server.admit(self, self._address):
            transport.abort()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._is_ending or (self._is_between and self._is_known_visit(data)):
            return
        if self.state is State.REQUEST:
            self.state, self.deadline = State.HEADERS, self._server.now() + limits.HEADERS_WITHIN_S
        request, is_alone = self._request, self._is_between
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_ending = True  # the client offered another protocol; we send one response in HTTP/1.1 and close
        except httptools.HttpParserCallbackError:
            logger.exception("request could not be handled")
            self._transport.abort()
        except httptools.HttpParserError:
            self._refuse(self._request, 400)
        # The parser buffers a header until it is complete, without a limit of its own.
        if self._request is request and not request.is_headed:
            request.unheaded_bytes += len(data)
            if request.unheaded_bytes > limits.MOST_UNHEADED_BYTES:
                self._refuse(request, 431)
        elif is_alone and self._is_between and self._answered is request and request.keep_alive:
            self._server.remember(data, request)
        self._answered = None

    def _is_known_visit(self, data: bytes) -> bool:
        """If the bytes are a request for the page that was parsed before, answer it from memory and return True."""
        visit = self._server.visits.get(data)
        if visit is None or self.state is not State.REQUEST:
            return False
        response = of_visit(visit)
        if response is None or self._transport.get_write_buffer_size() > limits.MOST_UNREAD_BYTES:
            return False
        self._write(response, is_head=visit.method == "HEAD", keep_alive=not self._server.is_stopping, is_old=False)
        return True

    def eof_received(self) -> bool:
        """Answer pending requests after the client has closed its side; without any, close."""
        self._is_ending = True
        return self.state is State.ANSWER

    def connection_lost(self, exc: Exception | None) -> None:
        if self._current and self._place and self._place.withdraw(self._job):
            self._server.release(self._current)  # the current request is released when it is finished
        for request in (self._request, *self._later):
            self._server.release(request)
        self._later.clear()
        self.state, self.deadline = State.CLOSED, inf
        self._server.forget(self)

    # --- The parser -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._is_between = False

    def on_url(self, url: bytes) -> None:
        if self._is_ending:
            return
        request = self._request
        request.url += url
        if len(request.url) > limits.MOST_URL_BYTES:
            self._refuse(request, 414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_ending:
            return
        request = self._request
        request.header_bytes += len(name) + len(value) + 4
        request.headers += 1
        if request.header_bytes > limits.MOST_HEADER_BYTES or request.headers > limits.MOST_HEADERS:
            self._refuse(request, 431)
            return
        key = meta_name(name)
        if key is None:
            return
        meta, text = request.meta, value.decode("latin-1")
        if key in meta:
            if key == "HTTP_HOST":
                self._refuse(request, 400)
            text = f"{meta[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        meta[key] = text

    def on_headers_complete(self) -> None:
        if self._is_ending:
            return
        request, meta = self._request, self._request.meta
        request.is_headed = True
        try:
            meta["PATH_INFO"], meta["QUERY_STRING"] = split_url(request.url)
        except ValueError:
            self._refuse(request, 400)
            return
        meta["REQUEST_METHOD"] = self._parser.get_method().decode("latin-1")
        meta["SERVER_PROTOCOL"] = f"HTTP/{self._parser.get_http_version()}"
        meta["REMOTE_ADDR"] = self._address
        # Respond to an upgrade offer in HTTP/1.1, and read no data in the other protocol.
        request.keep_alive = self._parser.should_keep_alive() and "HTTP_UPGRADE" not in meta
        if "CONTENT_LENGTH" in meta or "HTTP_TRANSFER_ENCODING" in meta:
            self._expect_body(request)

    def _expect_body(self, request: Request) -> None:
        meta = request.meta
        kind = kind_of(meta["REQUEST_METHOD"], meta["PATH_INFO"])
        if int(meta.get("CONTENT_LENGTH", 0)) > kind.most_body_bytes and not kind.cuts_bodies:
            self._refuse(request, 413)
            return
        if self.state is State.HEADERS:
            self.state, self.deadline = State.BODY, self._server.now() + limits.BODY_WITHIN_S
        if meta.get("HTTP_EXPECT", "").lower() == "100-continue" and not self._later:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._is_ending:
            return
        request = self._request
        kind = kind_of(request.meta["REQUEST_METHOD"], request.meta["PATH_INFO"])
        room = kind.most_body_bytes - request.body_bytes
        if len(body) > room:
            if not kind.cuts_bodies:
                self._refuse(request, 413)
                return
            body = body[:room]
        if body and not self._server.hold(request, body):
            self._refuse(request, 503)

    def on_message_complete(self) -> None:
        request = self._request
        self._is_between = True
        if self._is_ending or not request.is_headed:
            return
        self._request = Request()
        if self.state is State.ANSWER:
            self._later.append(request)
            if len(self._later) > limits.MOST_PIPELINED:
                self._transport.abort()
        else:
            self._answer(request)

    # --- Answers ----------------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> None:
        if self._transport.get_write_buffer_size() > limits.MOST_UNREAD_BYTES:
            self._transport.abort()
            return
        response = self._server.at_once(request)
        if response is not None:
            self._answered = request
            self._send(request, response)
            return
        meta = request.meta
        kind = kind_of(meta["REQUEST_METHOD"], meta["PATH_INFO"])
        self._current = request
        self._place, self._job = self._server.job(self, request, kind)
        self.state, self.deadline = State.ANSWER, self._server.now() + limits.PLACE_WITHIN_S
        if not self._place.submit(self._job):
            self._turn_away(request, kind)

    def finish(self, request: Request, response: Response) -> None:
        """Send the response to a request and go on with the next one."""
        if self.state is State.CLOSED:
            self._server.release(request)
        else:
            self._send(request, response)

    def _turn_away(self, request: Request, kind: Kind) -> None:
        self._send(request, self._server.refuse(request, 503, f"no place for {kind.name}", OVERLOADED))

    def _send(self, request: Request, response: Response) -> None:
        self._server.release(request)
        self._current = None
        keep_alive = request.keep_alive and not self._is_ending and not self._server.is_stopping
        meta = request.meta
        is_head, is_old = meta["REQUEST_METHOD"] == "HEAD", meta["SERVER_PROTOCOL"] == "HTTP/1.0"
        self._write(response, is_head=is_head, keep_alive=keep_alive, is_old=is_old)
        if keep_alive and self._later:
            self._answer(self._later.popleft())

    def _write(self, response: Response, *, is_head: bool, keep_alive: bool, is_old: bool) -> None:
        head, body = written(response, is_head=is_head, keep_alive=keep_alive, is_old=is_old)
        write = self._transport.write
        if len(body) <= TOGETHER_BYTES:
            write(head + body)
        else:
            write(head)
            write(body)
        patience_s = limits.IDLE_S + len(body) / limits.SLOWEST_BYTES_PER_S
        self.state, self.deadline = State.REQUEST, self._server.now() + patience_s
        if not keep_alive:
            self._is_ending = True
            self._transport.close()  # asyncio closes it once everything is written, or the deadline passes

    def _refuse(self, request: Request, status: int) -> None:
        """Send an error and read no more of this connection."""
        if self._is_ending:
            return
        self._is_ending = True
        if self.state is State.ANSWER:  # the response to an earlier request must be sent first
            return
        request.keep_alive = False
        response = self._server.refuse(request, status, WHY[status], OVERLOADED if status == 503 else "")
        is_head = request.meta.get("REQUEST_METHOD") == "HEAD"
        head, body = written(response, is_head=is_head, keep_alive=False, is_old=False)
        self._server.release(request)
        self._transport.write(head + body)
        # Closing a socket with unread data makes the kernel discard the response.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.state, self.deadline = State.LINGERS, self._server.now() + limits.LINGER_S

    # --- Deadlines --------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """The deadline has passed: refuse the request, or close the connection."""
        self.deadline = inf
        if self.state is State.BODY or (self.state is State.HEADERS and self._request.url):
            self._refuse(self._request, 408)
        elif self.state is not State.ANSWER:
            self._transport.abort()
        elif self._current and self._place and self._place.withdraw(self._job):
            self._turn_away(self._current, self._place.kind)

    def end(self) -> None:
        """Close the connection unless a request is running, because the process is stopping."""
        if self.state in OF_CLIENTS:
            self._transport.abort()

    def evict(self) -> bool:
        """Close the connection to make room for another, if it is waiting for the client."""
        if self.state not in OF_CLIENTS:
            return False
        self._server.forget(self)
        self._transport.abort()
        return True
