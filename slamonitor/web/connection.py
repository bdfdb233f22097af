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


class Connection(asyncio.BufferedProtocol):
    """A connection. httptools calls the methods `on_…`; asyncio calls those of the first section."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pieces: list[bytes] = []  # of the body, of what is being parsed
        self.on_body = self._pieces.append  # the parser calls it for each chunk, and some clients send one byte in each
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
        self._is_first = True  # no request of the data being parsed was complete before
        self._is_unread = False  # the client has not read enough of the last response to get another one
        self.state = State.REQUEST
        self.deadline = inf  # in seconds of the loop's clock
        self._read_by = inf  # the deadline for the client to read the last response

    # --- The loop ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.deadline = self._server.now() + limits.HEADERS_WITHIN_S
        if not self._server.admit(self, self._address):
            transport.abort()  # type: ignore[attr-defined]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == limits.READ_BYTES:  # there is more: first all other connections have their turn
            self._transport.pause_reading()
            self._server.soon(self._read_on)
        self._take(bytes(self._server.buffer[:nbytes]))

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _take(self, data: bytes) -> None:
        if self._is_ending or (self._is_between and self._is_known_visit(data)):
            return
        if self.state is State.REQUEST:
            self.state, self.deadline = State.HEADERS, self._server.now() + limits.HEADERS_WITHIN_S
        request, is_alone = self._request, self._is_between
        self._is_first = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_ending = True  # the client offered another protocol; we send one response in HTTP/1.1 and close
        except httptools.HttpParserCallbackError:
            logger.exception("request could not be handled")
            self._abort()
        except httptools.HttpParserError:
            self._refuse(self._request, 400)
        self._keep_body()
        # The parser buffers a header until it is complete, without a limit of its own.
        if self._request is request and not request.is_headed:
            request.unheaded_bytes += len(data)
            if request.unheaded_bytes > limits.MOST_UNHEADED_BYTES:
                self._refuse(request, 431)
            elif not self._is_ending and not self._server.hold(request, len(data)):
                self._refuse(request, 503)
        elif is_alone and self._is_between and self._answered is request and request.keep_alive:
            self._server.remember(data, request)
        self._answered = None

    def _is_known_visit(self, data: bytes) -> bool:
        """If the bytes are a request for the page that was parsed before, answer it from memory and return True."""
        visit = self._server.visits.get(data)
        if visit is None or self.state is not State.REQUEST or self._is_unread or self._later:
            return False
        response = of_visit(visit)
        if response is None:
            return False
        self._write(response, is_head=visit.method == "HEAD", keep_alive=not self._server.is_stopping, is_old=False)
        return True

    def eof_received(self) -> bool:
        """Answer pending requests after the client has closed its side; without any, close."""
        self._is_ending = True
        return self.state is State.ANSWER or bool(self._later)

    def pause_writing(self) -> None:
        self._is_unread = True
        self._server.unread[self] = None

    def resume_writing(self) -> None:
        self._is_unread = False
        self._server.unread.pop(self, None)
        self._answer_next()

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
        if request.is_headed:
            return  # after the body, where no proxy looks: it could claim another address or host
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
        if not self._server.hold(request, request.header_bytes + len(request.url)):
            self._refuse(request, 503)
        elif "CONTENT_LENGTH" in meta or "HTTP_TRANSFER_ENCODING" in meta:
            self._expect_body(request)

    def _expect_body(self, request: Request) -> None:
        meta, is_old = request.meta, request.meta["SERVER_PROTOCOL"] == "HTTP/1.0"
        coding = meta.get("HTTP_TRANSFER_ENCODING")
        if coding is not None and (is_old or coding.lower() != "chunked"):
            self._refuse(request, 400)  # a proxy may disagree with us about where such a body ends
            return
        kind = request.kind = kind_of(meta["REQUEST_METHOD"], meta["PATH_INFO"])
        if int(meta.get("CONTENT_LENGTH", 0)) > kind.most_body_bytes and not kind.cuts_bodies:
            self._refuse(request, 413)
            return
        if self.state is State.HEADERS:
            self.state, self.deadline = State.BODY, self._server.now() + limits.BODY_WITHIN_S
        is_next = self.state is not State.ANSWER and not self._later
        if meta.get("HTTP_EXPECT", "").lower() == "100-continue" and is_next and not is_old:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _keep_body(self) -> None:
        body = b"".join(self._pieces)
        self._pieces.clear()
        if self._is_ending or not body:
            return
        request = self._request
        assert request.kind is not None  # known since its headers
        room = request.kind.most_body_bytes - len(request.body)
        if len(body) > room:
            if not request.kind.cuts_bodies:
                self._refuse(request, 413)
                return
            body = body[:room]
        if not self._server.hold(request, len(body)):
            self._refuse(request, 503)
            return
        request.body += body

    def on_message_complete(self) -> None:
        self._keep_body()
        request = self._request
        self._is_between = True
        if self._is_ending or not request.is_headed:
            return
        self._request = Request()
        is_first, self._is_first = self._is_first, False
        if is_first and self.state is not State.ANSWER and not self._is_unread and not self._later:
            self._answer(request)
        else:
            self._queue(request)

    def _queue(self, request: Request) -> None:
        """Keep a complete request until those before it are answered, and other connections have had their turn."""
        self._later.append(request)
        if len(self._later) > limits.MOST_PIPELINED:
            self._abort()
        elif self.state is not State.ANSWER:
            self.state, self.deadline = State.REQUEST, self._read_by
            if len(self._later) == 1:
                self._server.soon(self._answer_next)

    def _answer_next(self) -> None:
        if self._later and not self._is_unread and self.state in (State.REQUEST, State.HEADERS, State.BODY):
            self._answer(self._later.popleft())

    # --- Answers ----------------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> None:
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
        is_last = self._is_ending and not self._later
        keep_alive = request.keep_alive and not is_last and not self._server.is_stopping
        meta = request.meta
        is_head, is_old = meta["REQUEST_METHOD"] == "HEAD", meta["SERVER_PROTOCOL"] == "HTTP/1.0"
        self._write(response, is_head=is_head, keep_alive=keep_alive, is_old=is_old)
        if keep_alive and self._later:
            self._server.soon(self._answer_next)

    def _write(self, response: Response, *, is_head: bool, keep_alive: bool, is_old: bool) -> None:
        head, body = written(response, is_head=is_head, keep_alive=keep_alive, is_old=is_old)
        write = self._transport.write
        if len(body) <= TOGETHER_BYTES:
            write(head + body)
        else:
            write(head)
            write(body)
        patience_s = limits.IDLE_S + len(body) / limits.SLOWEST_BYTES_PER_S
        self._read_by = self._server.now() + patience_s
        self.state, self.deadline = State.REQUEST, self._read_by
        if not keep_alive:
            self._is_ending = True
            self._transport.close()  # asyncio closes it once everything is written, or the deadline passes

    def _abort(self) -> None:
        """Close at once. The parser still reports what it has, which is ignored."""
        self._is_ending = True
        self._transport.abort()

    def _refuse(self, request: Request, status: int) -> None:
        """Send an error and read no more of this connection."""
        if self._is_ending:
            return
        self._is_ending = True
        if self.state is State.ANSWER or self._later:  # the response to an earlier request must be sent first
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
        is_late = self.state is State.BODY or (self.state is State.HEADERS and self._request.url)
        if is_late and not self._later:
            self._refuse(self._request, 408)
        elif self.state is not State.ANSWER:
            self._abort()
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
        self.drop()
        return True

    def drop(self) -> None:
        """Close the connection at once."""
        self._server.forget(self)
        self._abort()

    @property
    def unread_bytes(self) -> int:
        """How much of its answers its client has not read yet."""
        return int(self._transport.get_write_buffer_size())
