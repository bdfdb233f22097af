"""TCP ports and hosts."""

import asyncio
from typing import Any

import pytest

from monitoring.probes import probe
from monitoring.probes.failures import NotAllowed
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.tests.conftest import Run, make_spec, why
from monitoring.probes.tests.names import naming
from monitoring.probes.tests.targets import Script, drips, resets, says, says_and_hangs, says_forever, serving
from monitoring.probes.tools import Tools


async def ask(script: Script, tools: Tools, timeout_ms: int = 2_000, **settings: Any) -> ProbeResult:
    async with serving(script, is_patient=False) as target:
        spec = make_spec(target.url("", scheme="tcp"), kind="tcp", settings=settings, timeout_ms=timeout_ms)
        return await probe(spec, tools)


def test_accepted_connection_is_ok(run: Run, tools: Tools) -> None:
    result = run(ask(says_and_hangs(b""), tools))

    assert result.verdict is Verdict.OK, result.error_message
    assert result.phases.dns_ms is not None and result.phases.connect_ms > 0
    assert (result.status_code, result.requests) == (None, ())


def test_what_is_sent_and_expected(run: Run, tools: Tools) -> None:
    async def answers(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+PO")
        await writer.drain()
        writer.write(b"NG\r\n")
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with serving(answers) as target:
            settings = {"send": "PING\\x21\\\\\\r\\n\r\n", "expect": "+PONG"}
            result = await probe(make_spec(target.url("", scheme="tcp"), kind="tcp", settings=settings), tools)

        assert result.verdict is Verdict.OK, result.error_message
        assert result.phases.first_byte_ms is not None
        assert target.requests == [b"PING!\\\r\n\r\n"]

    run(scenario())


@pytest.mark.parametrize(
    ("script", "error_type", "words"),
    [
        (says(b"554 no\r\n"), ErrorType.CONNECTION,
         '{peer} closed the connection before the expected text came; it sent "554 no??"'),
        (says(b""), ErrorType.CONNECTION, "{peer} closed the connection while waiting for the answer"),
        (resets, ErrorType.CONNECTION, "connection reset by {peer} while waiting for the answer"),
        (says_and_hangs(b""), ErrorType.TIMEOUT,
         "no answer within 0.6 s: connected to {peer}, waiting for the first byte"),
        (drips(b"x" * 99, 0.01), ErrorType.TIMEOUT,
         "no complete answer within 0.6 s: {peer} began to answer, waiting for the expected text"),
        (says_forever(b"", b"y" * 999), ErrorType.CONNECTION, '{peer} did not send "220 "; it sent "yyyy'),
    ],
)  # fmt: skip
def test_other_answers_are_named(run: Run, tools: Tools, script: Script, error_type: ErrorType, words: str) -> None:
    async def scenario() -> None:
        async with serving(script, is_patient=False) as target:
            timeout_ms = 600 if error_type is ErrorType.TIMEOUT else 5_000
            url = target.url("", scheme="tcp")
            result = await probe(make_spec(url, kind="tcp", settings={"expect": "220 "}, timeout_ms=timeout_ms), tools)

        assert result.error_type is error_type
        assert str(result.error_message).startswith(words.format(peer=f"127.0.0.1:{target.port}"))

    run(scenario())


def test_refusal_and_forbidden_addresses_are_named(run: Run, tools: Tools, closed_port: int) -> None:
    refused = run(probe(make_spec(f"tcp://127.0.0.1:{closed_port}", kind="tcp"), tools))
    with pytest.raises(NotAllowed, match="cloud metadata"):
        run(probe(make_spec("tcp://169.254.169.254:80", kind="tcp"), tools))
    wrong = run(probe(make_spec("tcp://x", kind="tcp"), tools))

    assert why(refused) == (ErrorType.CONNECTION, f"connection refused by 127.0.0.1:{closed_port}")
    assert wrong.error_message == "address does not have the form tcp://name:port"


def test_late_connection_is_slow(run: Run, tools: Tools) -> None:
    result = run(ask(drips(b"....220 ", 0.005), tools, expect="220 ", degraded_over_ms=20))

    assert (result.verdict, result.error_type) == (Verdict.SLOW, None)
    assert "more than 20 ms, of which " in result.error_message


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_host_is_reached_where_a_port_refuses(run: Run, tools: Tools, closed_port: int, host: str) -> None:
    settings = {"ports": closed_port}

    result = run(probe(make_spec(f"host://{host}", kind="reach", settings=settings), tools))

    assert result.verdict is Verdict.OK, result.error_message
    assert result.phases.connect_ms > 0


def test_host_is_reached_where_one_port_is_deaf(run: Run, tools: Tools, deaf_port: int, closed_port: int) -> None:
    settings = {"ports": [deaf_port, closed_port]}

    result = run(probe(make_spec("host://127.0.0.1", kind="reach", settings=settings), tools))

    assert result.verdict is Verdict.OK, result.error_message


def test_host_that_does_not_answer_is_a_timeout(run: Run, deaf_port: int) -> None:
    async def scenario() -> None:
        async with naming({("deaf.test", "A"): ["127.0.0.1"]}) as names:
            spec = make_spec("host://deaf.test", kind="reach", settings={"ports": deaf_port}, timeout_ms=600)
            result = await probe(spec, Tools(resolver=Resolver([names.address])))
            unknown = await probe(make_spec("host://no.test", kind="reach"), Tools(resolver=Resolver([names.address])))

        assert why(result) == (ErrorType.TIMEOUT, f"no answer within 0.6 s: connecting to 127.0.0.1:{deaf_port}")
        assert why(unknown) == (ErrorType.DNS, "no such host: no.test")

    run(scenario())
