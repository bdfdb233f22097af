import asyncio
import base64
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from monitoring.probes import attempt, probe
from monitoring.probes.attempt import Stalled
from monitoring.probes.failures import NotAllowed
from monitoring.probes.model import ErrorType, Verdict
from monitoring.probes.net.address import AddressPolicy
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.standstill import TICK_S, Standstill
from monitoring.probes.tests.conftest import IN_TIME_S, Run, make_spec, until, why
from monitoring.probes.tests.targets import OK, says, says_and_hangs, serving
from monitoring.probes.tools import Tools


def test_good_answer_is_ok_with_its_phases(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(OK)) as target:
            spec = make_spec(target.url("/health?full=1"))
            result = await probe(spec, tools, lateness_ms=7.5)

        assert (result.verdict, result.status_code, result.error_type) == (Verdict.OK, 200, None)
        assert (result.checked_at_ms, result.lateness_ms) == (spec.due_at_ms, 7.5)
        phases = result.phases
        assert phases.dns_ms is not None and phases.connect_ms and phases.first_byte_ms and phases.tls_ms is None
        assert phases.dns_ms + phases.connect_ms + phases.first_byte_ms <= phases.total_ms
        (request,) = result.requests
        assert (request.url, request.method, request.status_code) == (spec.url, "GET", 200)
        assert spec.due_at_ms + 7 <= request.started_at_ms < spec.due_at_ms + 1_000

    run(scenario())


def test_request_carries_what_it_should(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(OK)) as target:
            spec = make_spec(
                target.url("/a?b=1#c").replace("127", "ann:p%40ss@127", 1),
                settings={"headers": {"X-Key": "k", "accept": "text/html"}},
            )
            result = await probe(spec, tools)
            assert result.verdict is Verdict.OK, result
            lines = target.requests[0].decode().split("\r\n")

        assert lines[0] == "GET /a?b=1 HTTP/1.1"
        assert f"Host: 127.0.0.1:{target.port}" in lines
        assert "User-Agent: SLA-Monitor/0.1" in lines
        assert "X-Trace-Id: 0af7651916cd43dd8448eb211c80319c" in lines
        assert [line[:39] for line in lines if line.startswith("traceparent: 00-0af7651916cd43dd8448eb2")]
        assert "Authorization: Basic " + base64.b64encode(b"ann:p@ss").decode() in lines
        assert "X-Key: k" in lines and "accept: text/html" in lines and "Accept: */*" not in lines
        assert "Connection: close" in lines
        assert "p%40ss" not in str(result) and "p@ss" not in str(result)

    run(scenario())


def test_ipv6_literal_is_bracketed_in_the_host_header(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(OK), host="::1") as target:
            result = await probe(make_spec(target.url(host="[::1]")), tools)

        assert result.verdict is Verdict.OK
        assert f"Host: [::1]:{target.port}\r\n".encode() in target.requests[0]

    run(scenario())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"503 Service Unavailable", "answered 503 Service Unavailable"),
        (b"404 Gone fishing", "answered 404 Not Found"),
        (b"599 What", "answered 599"),
        (b"304 Not Modified", "answered 304 Not Modified"),
        (b"302 Found", "answered 302 Found without saying where to (no Location header)"),
    ],
)
def test_other_status_is_an_http_error_in_words(run: Run, tools: Tools, status: bytes, words: str) -> None:
    async def scenario() -> None:
        async with serving(says(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)) as target:
            result = await probe(make_spec(target.url()), tools)

        assert why(result) == (ErrorType.HTTP, words)
        assert result.requests[0].error_message == words

    run(scenario())


@pytest.mark.parametrize(
    ("url", "error_type", "words"),
    [
        ("http://user:secret@[::", ErrorType.UNKNOWN, "Invalid"),
        ("http://xn--.invalid/", ErrorType.DNS, "no such host: xn--.invalid"),
        ("http://\u2488.example/", ErrorType.UNKNOWN, "host name is not valid"),
        ("http://x:0/", ErrorType.UNKNOWN, "port"),
        ("http:///path", ErrorType.UNKNOWN, "address has no host"),
        ("ftp://user:secret@x/", ErrorType.HTTP, "only http and https"),
        ("http://no.invalid/", ErrorType.DNS, "no such host: no.invalid"),
    ],
)
def test_address_that_cannot_be_probed_is_a_value(
    run: Run, tools: Tools, url: str, error_type: ErrorType, words: str
) -> None:
    result = run(probe(make_spec(url), tools))

    assert result.error_type is error_type
    assert words in result.error_message
    assert "secret" not in str(result)


def test_private_address_names_the_setting(run: Run, tools: Tools) -> None:
    strict = replace(tools, policy=AddressPolicy(allow_private=False))

    with pytest.raises(NotAllowed) as refused:
        run(probe(make_spec("http://127.0.0.1/"), strict))

    assert str(refused.value) == (
        "refused to connect to 127.0.0.1: it is a loopback address; "
        "set PROBE_ALLOW_PRIVATE=true to probe such addresses"
    )


@pytest.mark.parametrize("host", ["user:secret@0xa9fea9fe", "[::ffff:169.254.169.254]"])
def test_what_is_never_probed_gets_no_verdict(run: Run, tools: Tools, host: str) -> None:
    with pytest.raises(NotAllowed, match="cloud metadata addresses are never probed") as refused:
        run(probe(make_spec(f"http://{host}/"), tools))

    assert "secret" not in str(refused.value)


def test_secret_with_a_line_break_is_not_sent(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(OK)) as target:
            spec = make_spec(target.url(), settings={"headers": {"X": {"secret": "a"}}})
            result = await probe(spec, replace(tools, unseal=lambda sealed, place: f"{sealed}\r\nY: b"))

        assert why(result) == (ErrorType.UNKNOWN, "a header of the request holds a line break")
        assert target.requests == []

    run(scenario())


def test_bug_of_ours_is_an_exception(run: Run, tools: Tools) -> None:
    class BrokenResolver(Resolver):
        async def resolve(self, host: str) -> tuple[str, ...]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(probe(make_spec("http://x/"), replace(tools, resolver=BrokenResolver([]))))


class Clock:
    """A clock that a test sets, and that says whether it was looked at."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self.ahead_s, self.looks = 0.0, 0

    def __call__(self) -> float:
        self.looks += 1
        return self._now() + self.ahead_s


def test_timeout_in_a_stalled_loop_is_no_verdict(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        clock = Clock(time.perf_counter)
        async with serving(says_and_hangs(b"")) as target:
            stalling = replace(tools, clock=clock)
            running = asyncio.ensure_future(probe(make_spec(target.url(), timeout_ms=100), stalling))
            await until(lambda: clock.looks > 0)
            clock.ahead_s = 0.2 + IN_TIME_S
            with pytest.raises(Stalled, match="100 ms noticed"):
                await running

    run(scenario())


@pytest.mark.parametrize(("stood_s", "said"), [(0.45, None), (0.55, "stood still for 550 of 100 ms")])
def test_timeout_of_a_loop_that_often_stood_still_is_no_verdict(
    run: Run, tools: Tools, monkeypatch: pytest.MonkeyPatch, stood_s: float, said: str | None
) -> None:
    monkeypatch.setattr(attempt, "STALL_LEAST_MS", 500)  # as in production

    async def scenario() -> None:
        clock = Clock()
        async with serving(says_and_hangs(b"")) as target:
            standing = replace(tools, standstill=Standstill(clock))
            running = asyncio.ensure_future(probe(make_spec(target.url(), timeout_ms=100), standing))
            await until(lambda: clock.looks > 0)
            clock.ahead_s = TICK_S + stood_s  # a timer that was due after one tick has not run
            with pytest.raises(Stalled, match=said) if said else contextlib.nullcontext():
                assert why(await running)[0] is ErrorType.TIMEOUT

    run(scenario())


@pytest.mark.parametrize(("stood_s", "said"), [(39.0, None), (39.9, "for 39900 of which our loop stood still")])
def test_an_answer_is_slow_only_without_the_time_our_loop_stood_still(
    run: Run, tools: Tools, stood_s: float, said: str | None
) -> None:
    async def scenario() -> None:
        clock, stopwatch = Clock(), Clock()
        answers = asyncio.Event()

        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answers.wait()
            await says(OK)(reader, writer)

        async with serving(late) as target:
            standing = replace(tools, standstill=Standstill(clock), clock=stopwatch)
            spec = make_spec(target.url(), settings={"degraded_over_ms": 500})
            running = asyncio.ensure_future(probe(spec, standing))
            await until(lambda: bool(target.requests) or clock.looks > 0)
            clock.ahead_s, stopwatch.ahead_s = TICK_S + stood_s, 40.0
            answers.set()
            with pytest.raises(Stalled, match=said) if said else contextlib.nullcontext():
                assert (await running).verdict is Verdict.SLOW

    run(scenario())


def test_a_loop_says_for_how_long_it_stood_still_in_all(run: Run) -> None:
    async def scenario() -> None:
        clock = Clock()
        standstill = Standstill(clock)
        assert standstill.seconds() == 0
        for _ in range(3):
            clock.ahead_s += TICK_S + 0.7
            before = clock.looks
            await until(lambda before=before: clock.looks > before)  # type: ignore[misc]
        assert standstill.seconds() == pytest.approx(2.1)

    run(scenario())


def test_hundreds_of_probes_leave_nothing_open(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        before = open_sockets()
        async with serving(says_and_hangs(b"HTTP/1.1 200 OK\r\n\r\n")) as hanging, serving(says(OK)) as good:
            specs = [make_spec(each.url(), timeout_ms=300) for each in (hanging, good) for _ in range(100)]
            tasks = [asyncio.ensure_future(probe(spec, tools)) for spec in specs]
            for task in tasks[50:100]:
                asyncio.get_running_loop().call_later(0.1, task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)

        assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 50
        await until(lambda: open_sockets() <= before)

    run(scenario())


def open_sockets() -> int:
    count = 0
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
    return count
