"""The worst targets in the world: each gives one classified check in time, in bounded memory, and delays nobody.

The error types of answers are tested in `test_answers`, `test_connect` and `test_tls`. Here every target is probed with
all kinds of expectations of a body, so that bodies are kept, unpacked, decoded and parsed.
"""

import asyncio
import contextlib
import gc
import gzip
import socket
import ssl
import time
import tracemalloc
import warnings
from typing import Any

import httpx
import pytest
import trustme

from monitoring.probes import probe
from monitoring.probes.failures import NotAllowed
from monitoring.probes.http import answer, content
from monitoring.probes.kinds.tcp import Expected
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.connection import PIECES, Connection
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.timeline import Hop
from monitoring.probes.tests.conftest import IN_TIME_S, Run, make_spec, server_context, until, why
from monitoring.probes.tests.names import SILENT, naming
from monitoring.probes.tests.targets import (
    OK,
    Script,
    drips,
    redirects,
    resets,
    says,
    says_and_hangs,
    says_forever,
    serving,
)
from monitoring.probes.tools import Tools

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = HEAD + b"Content-Encoding: gzip\r\n\r\n"
BOMB = gzip.compress(bytes(20_000_000))
TIMEOUT_MS = 150
WANTED = {"keyword_present": "needle", "keyword_absent": "fire", "json_equals": {"path": "$.a", "value": 1}}
CONNECTION, HTTP, TIMEOUT = ErrorType.CONNECTION, ErrorType.HTTP, ErrorType.TIMEOUT

BAD: dict[str, tuple[Script, ErrorType]] = {
    "hangs after connect": (says_and_hangs(b""), TIMEOUT),
    "hangs in the headers": (says_and_hangs(HEAD + b"X: "), TIMEOUT),
    "hangs in the body": (says_and_hangs(HEAD + b"Content-Length: 99\r\n\r\nneedle"), TIMEOUT),
    "resets": (resets, CONNECTION),
    "closes": (says(b""), CONNECTION),
    "drips a byte at a time": (drips(HEAD + b"X: " + b"x" * 999, 0.05), TIMEOUT),
    "endless body": (says_forever(HEAD + b"\r\n", b"x" * 10_000), HTTP),
    "endless body in tiny chunks": (says_forever(CHUNKED, b"1\r\nx\r\n" * 2_000), HTTP),
    "endless trailers": (says_forever(CHUNKED + b"0\r\n", b"a: b\r\n" * 2_000), HTTP),
    "gzip bomb": (says(GZIP + BOMB), HTTP),
    "gzip bomb in a gzip bomb": (says(HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n" + gzip.compress(BOMB)), HTTP),
    "gzip of empty members": (says(GZIP + gzip.compress(b"") * 50_000), HTTP),
    "gzip rubbish": (says(GZIP + b"\x1f\x8b rubbish"), HTTP),
    "brotli that nobody asked for": (says(HEAD + b"Content-Encoding: br\r\n\r\n" + b"\xcf\xff" * 99), HTTP),
    "not HTTP at all": (says(b"220 mail.example ESMTP\r\n"), HTTP),
    "a megabyte of headers": (says(HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"), HTTP),
    "100,000 header lines": (says(HEAD + b"A: 1\r\n" * 100_000 + b"\r\n"), HTTP),
    "not UTF-8": (says(HEAD + b"\r\n" + b"\xff\xfe\xfd" * 1_000), HTTP),
    "UTF-16 of half a character": (says(HEAD + b"Content-Type: a/b; charset=utf-16\r\n\r\n\xff\xfe\x00\xd8x"), HTTP),
    "JSON nested without end": (says(HEAD + b"\r\n" + b'{"needle":' * 100_000), HTTP),
    "chunked garbage": (says(CHUNKED + b"needle\r\n"), HTTP),
    "HTTP/1.0 without length": (says(b"HTTP/1.0 200 OK\r\n\r\nneedles in a haystack"), HTTP),
    "1xx flood": (says_forever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 9), HTTP),
    "204 with a body": (says(b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nneedle"), HTTP),
    "304 with a body": (says(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nneedle"), HTTP),
    "thousands of answers": (says(b"HTTP/1.1 204 No Content\r\n\r\n" * 20_000), HTTP),
    "redirect loop": (redirects({"/": "/a", "/a": "/"}), HTTP),
}


async def ask(url: str, tools: Tools, *, timeout_ms: int = TIMEOUT_MS, **settings: Any) -> tuple[ProbeResult, float]:
    """Probe, and return the result and how many seconds it took."""
    started = time.perf_counter()
    result = await probe(make_spec(url, timeout_ms=timeout_ms, settings=settings), tools)
    return result, time.perf_counter() - started


@pytest.mark.parametrize("name", BAD)
def test_bad_target_is_one_classified_check_in_time(run: Run, tools: Tools, name: str) -> None:
    script, error_type = BAD[name]

    async def scenario() -> None:
        async with serving(script) as target:
            timeout_ms = TIMEOUT_MS if error_type is TIMEOUT else 5_000
            result, took_s = await ask(target.url(), tools, timeout_ms=timeout_ms, **WANTED)

        assert result.error_type is error_type, result.error_message
        assert took_s < IN_TIME_S
        assert result.error_message and len(result.error_message) <= 500 and result.error_message.isprintable()

    run(scenario())


def test_bad_targets_delay_nobody_else(run: Run, tools: Tools, deaf_port: int, closed_port: int) -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as servers:
            urls = [f"http://127.0.0.1:{deaf_port}/", f"http://127.0.0.1:{closed_port}/"]
            for script, _ in BAD.values():
                urls.append((await servers.enter_async_context(serving(script))).url())
            good = await servers.enter_async_context(serving(says(OK)))
            bad = asyncio.gather(*(ask(url, tools, timeout_ms=700, **WANTED) for url in urls))
            costs, verdicts = [], set()
            while not bad.done():
                before = time.thread_time()
                verdicts.add((await ask(good.url(), tools, timeout_ms=10_000))[0].verdict)
                costs.append(time.thread_time() - before)
            results = await bad

        assert all(result.error_type is not None for result, _ in results)
        assert max(took_s for _, took_s in results) < IN_TIME_S
        assert verdicts == {Verdict.OK}
        # The loop's own time for all of them, including the servers of this test; other processes are not counted.
        assert max(costs) < 1

    run(scenario())


@pytest.mark.parametrize("name", ["endless body", "gzip bomb in a gzip bomb", "a megabyte of headers"])
def test_memory_is_bounded(run: Run, tools: Tools, name: str) -> None:
    async def scenario() -> int:
        async with serving(BAD[name][0]) as target:
            await ask(target.url(), tools, timeout_ms=5_000, **WANTED)
            gc.collect()
            tracemalloc.start()
            try:
                await ask(target.url(), tools, timeout_ms=5_000, **WANTED)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    # A body of 1 MiB, unpacked, as text, and what the loop holds for both sides of a connection.
    assert run(scenario()) < 12_000_000


def make_answer(keep_body: bool = True) -> answer.Answer:
    hop = Hop(url="", host="", method="GET", started_at_ms=0, clock=time.perf_counter)
    return answer.Answer(hop, keep_body=keep_body)


def test_body_in_tiny_chunks_is_cut_before_it_costs_much() -> None:
    reading = make_answer()

    reading.feed(CHUNKED + b"1\r\nx\r\n" * 170_000)

    assert (reading.is_complete, reading.is_cut) == (True, True)
    assert len(reading.body) == answer.BODY_PIECES


def test_thousands_of_reads_are_cut_or_refused() -> None:
    async def reads(data: bytes, more: bytes) -> answer.Answer:
        connection = Connection(make_answer_hop(), make_answer())
        connection.data_received(data)
        for _ in range(PIECES + 1):
            connection.data_received(more)
        await connection.exchange(b"")
        return connection.answer

    body = asyncio.run(reads(HEAD + b"\r\n", b"x"))

    assert body.is_cut and len(body.body) <= PIECES
    with pytest.raises(httpx.RemoteProtocolError, match="headers of the answer came in thousands of pieces"):
        asyncio.run(reads(b"HTTP/1.1 200 ", b"x"))


def make_answer_hop() -> Hop:
    return Hop(url="", host="", method="GET", started_at_ms=0, clock=time.perf_counter)


def test_thousands_of_reads_over_tcp_end_too() -> None:
    async def scenario() -> None:
        hop = make_answer_hop()
        connection = Connection(hop, Expected(hop, b"needle"))
        for _ in range(PIECES + 1):
            connection.data_received(b"x")
        await connection.exchange(b"")

    with pytest.raises(httpx.ReadError, match='did not send "needle"; it sent "xxxx'):
        asyncio.run(scenario())


def test_body_in_tiny_tls_records_is_cut(run: Run, tools: Tools, ca: trustme.CA) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            for _ in range(200):
                writer.write(b"x")
            await writer.drain()

    async def scenario() -> None:
        async with serving(script, tls=server_context(ca.issue_cert("localhost"))) as target:
            url = target.url(host="localhost", scheme="https")
            result, _ = await ask(url, tools, timeout_ms=5_000, keyword_absent="needle")

        assert (result.verdict, result.status_code) == (Verdict.OK, 200), result.error_message
        assert str(result.error_message).startswith("looked for what must be absent in ")

    run(scenario())


def test_empty_members_of_gzip_are_not_all_unpacked() -> None:
    unpacked = content.decode(gzip.compress(b"") * 50_000, "gzip")

    assert unpacked == (b"", True)


def test_brotli_is_not_asked_for_and_otherwise_opaque(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(BAD["brotli that nobody asked for"][0]) as target:
            plain, _ = await ask(target.url(), tools)
            wanted, _ = await ask(target.url(), tools, keyword_present="needle")

        assert plain.verdict is Verdict.OK
        assert why(wanted) == (HTTP, "body of the answer is packed in a way that we did not ask for (br)")
        assert b"Accept-Encoding: gzip, deflate\r\n" in target.requests[0]

    run(scenario())


def test_server_of_tls_1_0_only(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = server_context(ca.issue_cert("localhost"))
    context.set_ciphers("ALL:@SECLEVEL=0")  # OpenSSL 3 speaks it at no other level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1

    def refuse(server: socket.socket) -> None:
        # Not asyncio's server, which hangs up without the alert that others send.
        with server.accept()[0] as connection, contextlib.suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            refusing = asyncio.get_running_loop().run_in_executor(None, refuse, server)
            result, _ = await ask(f"https://localhost:{server.getsockname()[1]}/", tools, timeout_ms=2_000)
            await refusing

        words = "TLS handshake failed: server offers no protocol version that we accept"
        assert why(result) == (CONNECTION, words)

    run(scenario())


def test_name_with_ipv6_only(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("six.test", "AAAA"): ["::1"]}) as names, serving(says(OK), host="::1") as target:
            result, _ = await ask(target.url(host="six.test"), Tools(resolver=Resolver([names.address])))

        assert result.verdict is Verdict.OK, result.error_message

    run(scenario())


class Rebinding(dict[tuple[str, str], list[str]]):
    """Records whose A changes with every question: at first harmless, then what an attacker is after."""

    def get(self, key: Any, default: Any = None) -> Any:
        if key[1] == "A":
            self[key].reverse()
            return self[key][:1]
        return super().get(key, default)


def test_name_that_resolves_differently_each_time(run: Run) -> None:
    async def scenario() -> None:
        records = Rebinding({("evil.test", "A"): ["169.254.169.254", "127.0.0.1"]})
        async with naming(records, ttl_s=0) as names, serving(says(OK)) as target:
            tools = Tools(resolver=Resolver([names.address]))
            for _ in range(3):
                result, _took_s = await ask(target.url(host="evil.test"), tools, timeout_ms=2_000)
                assert result.verdict is Verdict.OK
                with pytest.raises(NotAllowed, match="never probed"):
                    await ask(target.url(host="evil.test"), tools, timeout_ms=2_000)

        assert len(target.requests) == 3

    run(scenario())


def test_redirect_to_a_name_that_meanwhile_resolves_to_a_refused_address(run: Run) -> None:
    async def scenario() -> None:
        records = Rebinding({("evil.test", "A"): ["169.254.169.254", "127.0.0.1"]})
        async with naming(records, ttl_s=0) as names, serving(redirects({"/": "/x"})) as target:
            tools = Tools(resolver=Resolver([names.address]))
            with pytest.raises(NotAllowed, match="never probed"):
                await ask(target.url(host="evil.test"), tools, timeout_ms=2_000)

        assert len(target.requests) == 1

    run(scenario())


def test_two_hundred_names_that_hang_delay_nobody(run: Run) -> None:
    async def scenario() -> None:
        silent = {(f"n{number}.test", record): [SILENT] for number in range(200) for record in ("A", "AAAA")}
        async with naming({**silent, ("good.test", "A"): ["127.0.0.1"]}) as names, serving(says(OK)) as target:
            tools = Tools(resolver=Resolver([names.address]))
            hanging = asyncio.gather(*(ask(f"http://n{n}.test/", tools, timeout_ms=4_000) for n in range(200)))
            await until(lambda: len(set(names.questions)) > 150)  # a burst that the server may not have read in full
            good, _ = await ask(target.url(host="good.test"), tools, timeout_ms=10_000)
            assert not hanging.done()
            results = await hanging

        assert good.verdict is Verdict.OK
        assert {result.error_type for result, _ in results} == {ErrorType.DNS}
        assert max(took_s for _, took_s in results) < IN_TIME_S

    run(scenario())
