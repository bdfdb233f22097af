"""One connection after another, over real sockets, with a clock of the test's own."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from slamonitor.web import back, limits
from slamonitor.web.connection import Connection
from slamonitor.web.server import Server
from statuspage import front
from statuspage.tests.cast import reading_keeper

PATIENCE_S = 10.0
POST = b"POST /api/x HTTP/1.1\r\nHost: localhost\r\n"


class ThreadAsBack:
    """A back process, but in a thread of the test, so that it has the test's application."""

    def __init__(self, theirs: socket.socket, application: Any) -> None:
        self._end = theirs.dup()
        self._thread = threading.Thread(target=self._serve, args=(application,), daemon=True)
        self._thread.start()

    def _serve(self, application: Any) -> None:
        with self._end:
            back.serve(self._end, application)

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0

    def kill(self) -> None:
        """End it as a process ends: its sockets are closed."""
        self._end.shutdown(socket.SHUT_RDWR)


class Stage:
    """A server in the test's own event loop. Its application says what it was asked; `hang` makes it wait."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.clients: list[Client] = []
        self.may_go_on = threading.Event()
        self.reached = threading.Semaphore(0)

    def application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if "hang" in environ["QUERY_STRING"]:
            self.reached.release()
            self.may_go_on.wait(PATIENCE_S)
        start_response("200 OK", [("Content-Type", "text/plain")])
        body = environ["wsgi.input"].read()
        facts = {name: value for name, value in environ.items() if isinstance(value, str)}
        return [json.dumps({**facts, "body": body.decode("latin-1")}).encode()]

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.backs: list[ThreadAsBack] = []
        self.server = Server(
            self.application, loop, ("localhost", 80), now=lambda: self.now_s, start_back=self._start_back
        )
        self._keeping = loop.create_task(self.server.link.keep())
        self._listening = await loop.create_server(lambda: Connection(self.server), "127.0.0.1", 0)
        self.port = self._listening.sockets[0].getsockname()[1]

    def _start_back(self, theirs: socket.socket) -> ThreadAsBack:
        self.backs.append(ThreadAsBack(theirs, lambda *asked: self.application(*asked)))
        return self.backs[-1]

    async def end(self) -> None:
        self.may_go_on.set()
        self._listening.close()
        for client in self.clients:
            client.writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await self.server.stop()
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    async def connect(self) -> "Client":
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.clients[-1]

    async def ask(self, text: bytes) -> tuple[int, dict[str, str], bytes]:
        client = await self.connect()
        client.say(text)
        return await client.answer()

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():  # noqa: ASYNC110  no event tells
                await asyncio.sleep(0.001)

    async def is_reached(self) -> None:
        """Wait until the application hangs."""
        await self.until(lambda: self.reached.acquire(blocking=False))

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.server.sweep()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, text: bytes) -> None:
        self.writer.write(text)

    async def answer(self, *, is_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = 0 if is_head else int(headers.get("content-length", 0))
            return int(first.split()[1]), headers, await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.read(1) == b""
        except ConnectionResetError:
            return True


Play = Callable[[Stage], Awaitable[None]]


def run(scene: Play) -> None:
    """Run a scene in an event loop, with a server in it."""

    async def act() -> None:
        stage = Stage()
        await stage.begin()
        try:
            await scene(stage)
        finally:
            await stage.end()

    asyncio.run(act())


@pytest.fixture
def play() -> Callable[[Play], None]:
    return run


def code_of(body: bytes) -> str:
    return str(json.loads(body)["error"]["code"])


def test_a_request_reaches_the_application_as_wsgi_has_it(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        status, _headers, body = await stage.ask(
            b"POST /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nX_A: forged\r\nCookie: a=1\r\nCookie: b=2\r\n"
            b"Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nword"
        )
        said = json.loads(body)

        assert status == 200
        assert (said["PATH_INFO"], said["QUERY_STRING"], said["REQUEST_METHOD"]) == ("/a b", "x=1", "POST")
        assert (said["HTTP_X_A"], said["HTTP_COOKIE"], said["CONTENT_TYPE"]) == ("1,2", "a=1; b=2", "text/plain")
        assert (said["CONTENT_LENGTH"], said["body"], said["REMOTE_ADDR"]) == ("4", "word", "127.0.0.1")

    play(scene)


def test_a_body_in_chunks_is_put_together(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        text = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

        assert json.loads((await stage.ask(text))[2])["body"] == "abcde"

    play(scene)


def test_headers_after_the_body_reach_nobody(play: Callable[[Play], None]) -> None:
    """A proxy sets the headers in front of the body and passes on those behind it, which could contradict them."""

    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        for trailers in (b"X-Forwarded-For: 6.6.6.6\r\nAuthorization: Bearer x\r\nHost: evil\r\n", b""):
            client.say(POST + b"X-Forwarded-For: 1.2.3.4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%b\r\n" % trailers)
            said = json.loads((await client.answer())[2])
            assert (said["HTTP_HOST"], said["HTTP_X_FORWARDED_FOR"]) == ("localhost", "1.2.3.4")
            assert "HTTP_AUTHORIZATION" not in said
        client.say(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 200 + b"\r\n")
        assert (await client.answer())[0] == 431

    play(scene)


@settings(max_examples=settings.default.max_examples // 2)  # each opens connections
@given(cuts=st.lists(st.integers(0, 160), max_size=6))
def test_however_a_request_is_cut_it_is_the_same(cuts: list[int]) -> None:
    text = POST + b"X-Long: " + b"y" * 60 + b"\r\nContent-Length: 10\r\n\r\n0123456789"
    ends = sorted({*cuts, len(text)})

    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        begin = 0
        for end in ends:
            client.say(text[begin:end])
            await client.writer.drain()
            await asyncio.sleep(0)
            begin = end
        said = json.loads((await client.answer())[2])
        assert (said["body"], said["HTTP_X_LONG"]) == ("0123456789", "y" * 60)

    run(scene)


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, None),
        (b"GET /api/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, None),
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, None),
        (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, None),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, None),
        (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, None),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, None),
        (POST + b"Content-Length: 99999999\r\n\r\n", 413, "PAYLOAD_TOO_LARGE"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n400000\r\n" + b"x" * 0x400000, 413, "PAYLOAD_TOO_LARGE"),
        (b"GET /api/x HTTP/1.1\r\nAccept: " + b"a/b," * 97_500 + b"\r\n\r\n", 431, None),
        (b"GET /api/x HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, None),
        (b"GET /api/" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, None),
    ],
)
def test_what_is_no_request_or_too_large_is_refused_and_the_connection_closed(
    play: Callable[[Play], None], text: bytes, status: int, code: str | None
) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(text)
        found, headers, body = await client.answer()

        assert (found, headers["connection"]) == (status, "close")
        assert code is None or code_of(body) == code
        assert await client.is_closed()

    play(scene)


def test_a_body_that_does_not_come_is_given_up_in_the_form_of_the_api(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        await client.reader.readuntil(b"100 Continue\r\n\r\n")
        client.say(b"half")
        stage.later(limits.BODY_WITHIN_S + 1)
        status, headers, body = await client.answer()

        assert (status, code_of(body)) == (408, "REQUEST_TIMEOUT")
        assert headers["x-trace-id"] == json.loads(body)["error"]["trace_id"]
        stage.later(limits.LINGER_S + 1)
        assert await client.is_closed()

    play(scene)


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET /api/x HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_silent_or_slow_client_is_disconnected(play: Callable[[Play], None], said: bytes) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(said)
        await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")  # by then the other one is read, too
        stage.later(limits.HEADERS_WITHIN_S + 1)
        stage.later(limits.LINGER_S + 1)

        async with asyncio.timeout(PATIENCE_S):
            rest = await client.reader.read()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408")

    play(scene)


def test_an_idle_connection_is_kept_for_half_a_minute_and_then_closed(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        for _ in range(2):
            client.say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.answer())[0] == 200
            stage.later(limits.IDLE_S - 1)
        stage.later(2)

        assert await client.is_closed()

    play(scene)


def test_who_does_not_read_the_answer_is_closed(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        stage.application = lambda environ, start: (start("200 OK", []), [b"x" * 30_000_000])[1]  # type: ignore[assignment, method-assign]
        client = Client(*await asyncio.open_connection("127.0.0.1", stage.port, limit=1024))
        stage.clients.append(client)
        client.say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        stage.later(limits.IDLE_S + 30_000_000 / limits.SLOWEST_BYTES_PER_S + 1)

        got = 0
        with pytest.raises((ConnectionResetError, EOFError)):  # noqa: PT012  it ends in either way
            async with asyncio.timeout(PATIENCE_S):
                while chunk := await client.reader.read(65_536):
                    got += len(chunk)
                raise EOFError
        assert got < 30_000_000

    play(scene)


def test_requests_that_come_at_once_are_answered_in_order(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(b"".join(b"GET /api/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)))
        paths = [json.loads((await client.answer())[2])["PATH_INFO"] for _ in range(5)]

        assert paths == [f"/api/{number}" for number in range(5)]

    play(scene)


def test_a_crowd_of_requests_in_one_piece_closes_the_connection(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        answered: list[str] = []
        at_once = stage.server.at_once
        stage.server.at_once = lambda request: (answered.append(request.meta["PATH_INFO"]), at_once(request))[1]  # type: ignore[method-assign]
        client.say(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)

        await stage.until(lambda: not stage.server._all)
        assert len(answered) <= limits.MOST_PIPELINED + 1 and stage.server._held_bytes == 0

    play(scene)


def test_who_sends_much_is_read_in_turn_with_others(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        complete: list[str] = []
        at_once = stage.server.at_once
        stage.server.at_once = lambda request: (complete.append(request.meta["PATH_INFO"]), at_once(request))[1]  # type: ignore[method-assign]
        much, little = await stage.connect(), await stage.connect()
        much.say(POST + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000)
        little.say(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")

        assert (await much.answer())[0] == (await little.answer())[0] == 200
        assert complete == ["/livez", "/api/x"]

    play(scene)


def large(stage: Stage, size_bytes: int, paths: list[str]) -> None:
    """Answer everything with so many bytes, and note what was asked."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        paths.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"x" * size_bytes]

    stage.application = application  # type: ignore[method-assign]


def test_the_next_request_is_answered_when_the_last_answer_is_read(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        asked: list[str] = []
        large(stage, 20_000_000, asked)
        client = Client(*await asyncio.open_connection("127.0.0.1", stage.port, limit=1024))
        stage.clients.append(client)
        client.say(b"GET /api/0 HTTP/1.1\r\nHost: a\r\n\r\n")
        await stage.until(lambda: bool(stage.server.unread))
        client.say(b"".join(b"GET /api/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in (1, 2)))
        client.say(POST + b"Content-Length: 4\r\n\r\nha")
        (connection,) = stage.server.unread
        await stage.until(lambda: len(connection._request.body) == 2)
        assert asked == ["/api/0"]

        for _ in range(3):
            assert len((await client.answer())[2]) == 20_000_000
        client.say(b"lf")
        assert len((await client.answer())[2]) == 20_000_000
        assert asked == ["/api/0", "/api/1", "/api/2", "/api/x"] and stage.server._held_bytes == 0

    play(scene)


def test_who_asks_on_and_never_reads_is_closed_all_the_same(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        large(stage, 20_000_000, [])
        client = Client(*await asyncio.open_connection("127.0.0.1", stage.port, limit=1024))
        stage.clients.append(client)
        client.say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        await stage.until(lambda: bool(stage.server.unread))
        (connection,) = stage.server.unread
        client.say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n" + POST + b"Content-Length: 9\r\n\r\n")
        await stage.until(lambda: bool(connection._request.meta))
        stage.later(limits.IDLE_S + 20_000_000 / limits.SLOWEST_BYTES_PER_S + 1)

        await stage.until(lambda: not stage.server._all)
        assert stage.server._held_bytes == 0 and not stage.server.unread

    play(scene)


def test_answers_that_nobody_reads_have_a_bound(play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_UNREAD_BYTES", 40_000_000)

    async def scene(stage: Stage) -> None:
        large(stage, 30_000_000, [])
        clients = [Client(*await asyncio.open_connection("127.0.0.1", stage.port, limit=1024)) for _ in range(2)]
        stage.clients += clients
        for number, client in enumerate(clients):
            client.say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
            await stage.until(lambda number=number: len(stage.server.unread) == number + 1)  # type: ignore[misc]
        stage.later(0)

        assert len(stage.server.unread) == 1
        assert len((await clients[1].answer())[2]) == 30_000_000
        assert (await stage.ask(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200

    play(scene)


def test_head_has_the_length_and_no_body(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(b"HEAD /api/x HTTP/1.1\r\nHost: a\r\n\r\nGET /api/y HTTP/1.1\r\nHost: a\r\n\r\n")
        status, headers, _ = await client.answer(is_head=True)

        assert status == 200 and int(headers["content-length"]) > 0
        assert json.loads((await client.answer())[2])["PATH_INFO"] == "/api/y"

    play(scene)


def test_an_old_client_is_closed_unless_it_asks_otherwise(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        old, keeping = await stage.connect(), await stage.connect()
        old.say(b"GET /api/x HTTP/1.0\r\n\r\n")
        keeping.say(b"GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

        assert (await old.answer())[1]["connection"] == "close" and await old.is_closed()
        assert (await keeping.answer())[1]["connection"] == "keep-alive"

    play(scene)


def test_who_offers_another_protocol_is_answered_in_this_one(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        text = b"GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
        status, headers, _ = await stage.ask(text)

        assert (status, headers["connection"]) == (200, "close")

    play(scene)


def test_who_says_no_more_is_answered_all_the_same(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        client.writer.write_eof()

        answers = [await client.answer() for _ in range(3)]
        assert [status for status, _, _ in answers] == [200] * 3
        assert ["connection" in headers for _, headers, _ in answers] == [False, False, True]
        assert await client.is_closed()

    play(scene)


def test_of_what_a_job_prints_the_beginning_is_taken(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        text = b"POST /heartbeat/token HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
        status, _, body = await stage.ask(text)

        assert status == 200 and len(json.loads(body)["body"]) == 10_000
        assert stage.server._held_bytes == 0

    play(scene)


def test_a_kind_that_hangs_keeps_no_other_one_waiting(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        hanging = [await stage.connect() for _ in range(60)]
        for client in hanging:
            client.say(b"GET /services/x/ledger?hang HTTP/1.1\r\nHost: a\r\n\r\n")
        await stage.is_reached()
        for path in (b"/livez", b"/heartbeat/x", b"/api/x", b"/admin/", b"/static/x", b"/health"):
            assert (await stage.ask(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path))[0] == 200, path

        # Two are at work and sixteen wait; the others were turned away, and those that wait are when their time is up.
        turned_away = [(await client.answer())[:2] for client in hanging[18:]]
        assert {(status, headers["retry-after"]) for status, headers in turned_away} == {(503, "5")}
        stage.later(limits.PLACE_WITHIN_S + 1)
        assert [(await client.answer())[0] for client in hanging[2:18]] == [503] * 16
        stage.may_go_on.set()
        assert [(await client.answer())[0] for client in hanging[:2]] == [200, 200]

    play(scene)


def test_the_oldest_silent_connection_of_an_address_makes_room(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_OF_ADDRESS", 3)

    async def scene(stage: Stage) -> None:
        silent = []
        for _ in range(3):
            silent.append(await stage.connect())
            silent[-1].say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
            await silent[-1].answer()

        assert (await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
        assert await silent[0].is_closed()
        silent[1].say(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await silent[1].answer())[0] == 200

    play(scene)


def test_bodies_together_have_a_bound(play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_HELD_BYTES", 1000)

    async def scene(stage: Stage) -> None:
        first = await stage.connect()
        first.say(POST + b"Content-Length: 901\r\n\r\n" + b"x" * 900)
        await stage.until(lambda: stage.server._held_bytes >= 900)
        status, _, body = await stage.ask(POST + b"Content-Length: 200\r\n\r\n" + b"x" * 200)

        assert (status, code_of(body)) == (503, "OVERLOADED")
        first.say(b"x")
        assert (await first.answer())[0] == 200
        assert stage.server._held_bytes == 0

    play(scene)


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_headers_together_have_a_bound(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(limits, "MOST_HELD_BYTES", 3000)

    async def scene(stage: Stage) -> None:
        client = await stage.connect()
        client.say(b"GET /api/x?hang HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 2000 + b"\r\n" + end)
        await stage.until(lambda: stage.server._held_bytes >= 2000)

        assert (await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 2000 + b"\r\n\r\n"))[0] == 503
        client.writer.transport.abort()
        stage.may_go_on.set()
        await stage.until(lambda: stage.server._held_bytes == 0)

    play(scene)


def test_the_end_waits_for_what_is_under_way(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        idle, busy = await stage.connect(), await stage.connect()
        busy.say(b"GET /api/x?hang HTTP/1.1\r\nHost: a\r\n\r\n")
        await stage.is_reached()
        ending = asyncio.create_task(stage.server.stop())

        assert await idle.is_closed() and not ending.done()
        stage.may_go_on.set()
        assert (await busy.answer())[1]["connection"] == "close"
        async with asyncio.timeout(PATIENCE_S):
            await ending

    play(scene)


def test_what_a_lost_back_process_had_is_refused_and_what_waits_goes_to_the_next(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        clients = [await stage.connect() for _ in range(4)]
        for client in clients:
            client.say(b"GET /api/x?hang HTTP/1.1\r\nHost: a\r\n\r\n")
        await stage.is_reached()
        await stage.is_reached()
        stage.backs[0].kill()
        answers = [await client.answer() for client in clients[:2]]
        stage.may_go_on.set()
        answers += [await client.answer() for client in clients[2:]]

        assert [status for status, _, _ in answers] == [503, 503, 200, 200]
        assert code_of(answers[0][2]) == "DEPENDENCY_UNAVAILABLE" and answers[0][1]["retry-after"] == "5"
        assert len(stage.backs) == 2 and stage.server._held_bytes == 0

    play(scene)


def test_everybody_gets_their_own_answers_while_others_leave(play: Callable[[Play], None]) -> None:
    paths = ("/api/{0}", "/services/{0}/ledger", "/admin/{0}", "/heartbeat/{0}", "/static/{0}")

    async def ask_often(stage: Stage, number: int) -> None:
        client = await stage.connect()
        for turn in range(6):
            path = paths[(number + turn) % len(paths)].format(f"{number}-{turn}")
            client.say(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            if number % 3 == 0 and turn == 4:  # leaves before the answer
                client.writer.transport.abort()
                return
            status, _, body = await client.answer()
            assert (status, json.loads(body)["PATH_INFO"]) == (200, path)

    async def scene(stage: Stage) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(15):
                group.create_task(ask_often(stage, number))
        await stage.until(lambda: stage.server._held_bytes == 0)
        assert (await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200

    play(scene)


def test_half_an_answer_of_a_lost_back_process_reaches_nobody(play: Callable[[Play], None]) -> None:
    async def scene(stage: Stage) -> None:
        large(stage, 5_000_000, [])
        await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        unpacker = stage.server.link._unpacker
        feed = unpacker.feed

        def cut(piece: bytes) -> list[Any]:
            found = list(feed(piece))
            if unpacker._data:
                stage.backs[0].kill()
            return found

        unpacker.feed = cut  # type: ignore[method-assign, assignment]
        status, _, body = await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (status, code_of(body)) == (503, "DEPENDENCY_UNAVAILABLE")
        status, _, body = await stage.ask(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (status, len(body), len(stage.backs)) == (200, 5_000_000, 2)

    play(scene)


KNOWN = {
    "plain": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "korean": b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Language: ko\r\n\r\n",
    "head": b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
UNKNOWN = {
    "last": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "old": b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
}


@pytest.mark.django_db
def test_a_visit_that_is_repeated_word_for_word_is_answered_as_the_first_was(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = reading_keeper()
    for language in ("en", "ko"):
        kept = keeper.edition(timezone.now())
        assert kept is not None and kept.answer(language)
    monkeypatch.setattr(keeper, "_run", lambda job: None)  # the page stays as it is
    monkeypatch.setattr(front, "keeper", keeper)

    async def scene(stage: Stage) -> None:
        for name, text in {**KNOWN, **UNKNOWN}.items():
            answers = []
            for _ in range(3):
                client = await stage.connect()
                client.say(text)
                status, headers, body = await client.answer(is_head=name == "head")
                answers.append((status, headers | {"date": ""}, body))
            assert answers == [answers[0]] * 3 and answers[0][0] == 200, name
        assert set(stage.server.visits) == set(KNOWN.values())

        client = await stage.connect()
        client.say(KNOWN["plain"] + KNOWN["plain"][:20])
        assert (await client.answer())[0] == 200
        client.say(KNOWN["plain"])
        assert (await client.answer())[0] == 400, "what is known stands in the middle of another request"

    play(scene)
