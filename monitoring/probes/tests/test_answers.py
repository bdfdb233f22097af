"""Hostile and odd answers: every one of them ends in a result, within the deadline and within bounds."""

import asyncio
import gzip
import time
import zlib
from typing import Any

import httpx
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes import probe
from monitoring.probes.http import answer, content
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.timeline import Hop
from monitoring.probes.net.tls_contexts import make_context
from monitoring.probes.tests.conftest import IN_TIME_S, Run, make_spec
from monitoring.probes.tests.targets import (
    Script,
    drips,
    resets,
    says,
    says_and_hangs,
    says_forever,
    serving,
)
from monitoring.probes.tools import Tools

HEAD = b"HTTP/1.1 200 OK\r\n"
TLS = make_context()
ANSWERS = st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda tail: HEAD + tail))
EXPECTATIONS = st.sampled_from(
    [
        {},
        {"keyword_present": "a"},
        {"keyword_absent": ["a", "\u00e9"], "expected_status": "1xx"},
        {"json_equals": {"path": "$.a[0]", "value": 0}, "follow_redirects": False},
    ]
)


async def ask(script: Script, tools: Tools, *, timeout_ms: int = 2_000, settings: Any = None) -> ProbeResult:
    async with serving(script) as target:
        return await probe(make_spec(target.url(), timeout_ms=timeout_ms, settings=settings or {}), tools)


@pytest.mark.parametrize(
    "script",
    [
        says(b"HTTP/1.0 200 OK\r\n\r\nno length, ended by the end"),
        says(b"HTTP/1.1 200\r\n\r\n"),
        says_and_hangs(b"HTTP/1.1 204 No Content\r\n\r\n"),
        says_and_hangs(HEAD + b"Content-Length: 0\r\n\r\n"),
        says_and_hangs(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nTrailer: 1\r\n\r\n"),
        says_and_hangs(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        says_and_hangs(HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        says_and_hangs(HEAD + b"Content-Length: 2\r\nX-Name: caf\xe9 \x01\r\n\r\nok"),
        says_and_hangs(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n"),
        says(HEAD + b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + "héllo".encode("utf-16")),
        says(HEAD + b"Content-Length: 2\r\n\r\nok and much more than was announced"),
    ],
)
def test_odd_but_good_answers_are_ok(run: Run, tools: Tools, script: Script) -> None:
    result = run(ask(script, tools))

    assert result.verdict is Verdict.OK, result.error_message


@pytest.mark.parametrize(
    ("script", "error_type", "words"),
    [
        (says(b""), ErrorType.CONNECTION, "closed the connection while waiting for the answer"),
        (resets, ErrorType.CONNECTION, "connection reset by 127.0.0.1:"),
        (says(b"HTTP/1.1 200 OK\r\nX: "), ErrorType.CONNECTION, "in the middle of the headers"),
        (says(HEAD + b"Content-Length: 9\r\n\r\nshort"), ErrorType.CONNECTION, "in the middle of the body"),
        (says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"), ErrorType.CONNECTION, "in the middle of the body"),
        (says(b"220 mail.example ESMTP\r\n"), ErrorType.HTTP, "answer is not HTTP"),
        (says(b"\x15\x03\x01\x00\x02\x02\x16"), ErrorType.HTTP, "is this an https address?"),
        (says(b"\x00" * 100), ErrorType.HTTP, "answer is not HTTP"),
        (says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), ErrorType.HTTP, "body of the answer is not valid"),
        (says(HEAD + b"A: \0\r\n\r\n"), ErrorType.HTTP, "headers of the answer are not valid HTTP: there is a NUL"),
        (says_forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"x" * 10_000), ErrorType.HTTP,
         "body of the answer is not valid HTTP: a line between its chunks is longer than 16 KiB"),
        (says(HEAD + b"A: 1\r\n" * 100_000), ErrorType.HTTP, "answer has more than 200 header lines"),
        (says(HEAD + b"A: " + b"x" * 100_000 + b"\r\n\r\n"), ErrorType.HTTP, "more than 64 KiB of headers"),
        (says_forever(b"HTTP/1.1 200 ", b"x" * 1000), ErrorType.HTTP, "more than 64 KiB of headers"),
        (says_forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), ErrorType.HTTP, "more than 10 interim (1xx) answers"),
        (says_and_hangs(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\x00"),
         ErrorType.HTTP, "answered 101 Switching Protocols"),
    ],
)  # fmt: skip
def test_bad_answers_are_named(run: Run, tools: Tools, script: Script, error_type: ErrorType, words: str) -> None:
    result = run(ask(script, tools, timeout_ms=30_000))

    assert result.error_type is error_type, result.error_message
    assert words in result.error_message


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (says_and_hangs(b""), "no answer within 0.6 s: connected to {peer}, waiting for the first byte"),
        (says_and_hangs(b"HTTP/1.1 2"), "{peer} began to answer, waiting for the rest of the headers"),
        (says_and_hangs(HEAD + b"\r\nx"), "{peer} answered 200, waiting for the rest of the body"),
        (drips(HEAD + b"\r\n", 0.05), "{peer} began to answer, waiting for the rest of the headers"),
        (drips(HEAD + b"\r\n" + b"x" * 999, 0.004), "{peer} answered 200, waiting for the rest of the body"),
    ],
)
def test_deadline_says_where_it_struck(run: Run, tools: Tools, script: Script, words: str) -> None:
    async def scenario() -> None:
        async with serving(script) as target:
            started = time.perf_counter()
            result = await probe(make_spec(target.url(), timeout_ms=600), tools)

        assert time.perf_counter() - started < IN_TIME_S
        assert result.error_type is ErrorType.TIMEOUT
        assert str(result.error_message).endswith(words.format(peer=f"127.0.0.1:{target.port}"))
        assert "within 0.6 s" in str(result.error_message)

    run(scenario())


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (HEAD + b"\r\n", b"x" * 10_000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 2_000),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(10_000_000))),
    ],
)
def test_endless_body_is_read_to_its_bound(run: Run, tools: Tools, start: bytes, more: bytes) -> None:
    result = run(ask(says_forever(start, more), tools, timeout_ms=5_000))

    assert result.verdict is Verdict.OK, result.error_message


def test_head_answer_has_no_body(run: Run, tools: Tools) -> None:
    result = run(ask(says_and_hangs(HEAD + b"Content-Length: 100\r\n\r\n"), tools, settings={"method": "HEAD"}))

    assert result.verdict is Verdict.OK, result.error_message


@given(
    st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda tail: HEAD + tail)),
    st.booleans(),
    EXPECTATIONS,
)
def test_any_bytes_end_in_a_result_within_the_deadline(data: bytes, is_closing: bool, wanted: dict[str, Any]) -> None:
    async def scenario() -> tuple[ProbeResult, float]:
        script = says(data) if is_closing else says_and_hangs(data)
        started = time.perf_counter()
        result = await ask(script, Tools(resolver=Resolver([]), tls=TLS), timeout_ms=50, settings=wanted)
        return result, time.perf_counter() - started

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result, took_s = runner.run(scenario())

    assert took_s < IN_TIME_S
    assert (result.verdict is Verdict.BAD) == (result.error_type is not None)
    assert result.error_type in (None, ErrorType.HTTP, ErrorType.CONNECTION, ErrorType.TIMEOUT)


def test_wanted_body_is_bounded() -> None:
    hop = Hop(url="", host="", method="GET", started_at_ms=0, clock=time.perf_counter)
    reading = answer.Answer(hop, keep_body=True)

    for data in (HEAD + b"\r\n", *[b"x" * 400_000] * 4):
        reading.feed(data)

    assert reading.is_complete
    assert len(reading.body) == answer.BODY_BYTES


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"hello", ""),
        (b"hello", "identity"),
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0), "GZIP"),
        (gzip.compress(b"hello", mtime=0) + b"rubbish", "x-gzip"),
        (zlib.compress(b"hello"), "deflate"),
        (zlib.compress(b"hello")[2:-4], "deflate"),
        (gzip.compress(zlib.compress(b"hello"), mtime=0), "deflate, gzip"),
    ],
)
def test_packed_bodies_are_unpacked(body: bytes, encoding: str) -> None:
    assert content.decode(body, encoding) == (b"hello", False)


def test_bomb_is_unpacked_to_its_bound() -> None:
    bomb = gzip.compress(gzip.compress(bytes(50_000_000)))

    unpacked = content.decode(bomb, "gzip, gzip")

    assert unpacked.is_cut
    assert len(unpacked.data) == answer.BODY_BYTES


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"hello", "gzip"), (b"hello", "deflate"), (b"", "br"), (b"", ",".join(["gzip"] * 9))]
)
def test_body_that_cannot_be_unpacked_is_said_so(body: bytes, encoding: str) -> None:
    with pytest.raises(httpx.DecodingError, match="body of the answer"):
        content.decode(body, encoding)
