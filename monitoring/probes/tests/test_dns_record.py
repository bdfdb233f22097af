import asyncio
from typing import Any

import pytest

from monitoring.probes import probe
from monitoring.probes.failures import NotAllowed
from monitoring.probes.kinds.dns_record import canonical
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net import dns_client
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.tests.conftest import Run, make_spec, why
from monitoring.probes.tests.names import SERVFAIL, SILENT, TRUNCATED, naming
from monitoring.probes.tools import Tools

RECORDS = {
    ("a.test", "A"): ["10.0.0.2", "10.0.0.1"],
    ("a.test", "AAAA"): ["fd00:0::1"],
    ("a.test", "MX"): ["10 Mail.a.test.", "20 mail2.a.test."],
    ("a.test", "TXT"): ['"v=spf1 " "-all"', TRUNCATED],
    ("a.test", "CAA"): ['0 issue "ca.example"'],
    ("a.test", "SOA"): ["ns.a.test. admin.a.test. 7 3600 600 86400 60"],
    ("_sip._tcp.a.test", "SRV"): ["0 5 5060 sip.a.test."],
    ("www.a.test", "CNAME"): ["a.test."],
    ("bad.test", "A"): [SERVFAIL],
    ("hang.test", "A"): [SILENT],
}


async def ask(name: str, **settings: Any) -> ProbeResult:
    async with naming(RECORDS) as names:
        spec = make_spec(f"dns://{name}", kind="dns", settings=settings)
        return await probe(spec, Tools(resolver=Resolver([names.address], hosts={"a.test": ("10.9.9.9",)})))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.test", {}),
        ("A.TEST.", {"values": "10.0.0.1"}),
        ("a.test", {"values": ["10.0.0.1", "10.0.0.2"], "match": "exact"}),
        ("a.test", {"values": ["10.0.0.1", "10.0.0.9"], "match": "any"}),
        ("a.test", {"type": "AAAA", "values": "FD00::0001"}),
        ("a.test", {"type": "MX", "values": "10 mail.a.test"}),
        ("a.test", {"type": "TXT", "values": "v=spf1 -all", "match": "exact"}),
        ("a.test", {"type": "CAA", "values": "0 issue ca.example"}),
        ("a.test", {"type": "SOA"}),
        ("_sip._tcp.a.test", {"type": "SRV", "values": "0 5 5060 sip.a.test"}),
        ("www.a.test", {"type": "CNAME", "values": "a.test."}),
    ],
)
def test_records_as_expected_are_ok(run: Run, name: str, settings: dict[str, Any]) -> None:
    result = run(ask(name, **settings))

    assert result.verdict is Verdict.OK, result.error_message
    assert result.phases.dns_ms > 0 and result.phases.connect_ms is None and result.requests == ()


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("a.test", {"values": "10.0.0.9"}, "A of a.test is 10.0.0.1, 10.0.0.2, without 10.0.0.9"),
        ("a.test", {"values": "10.0.0.9", "match": "any"}, "A of a.test is 10.0.0.1, 10.0.0.2, none of 10.0.0.9"),
        ("a.test", {"values": "10.0.0.1", "match": "exact"},
         "A of a.test is 10.0.0.1, 10.0.0.2, where 10.0.0.2 should not be"),
        ("a.test", {"type": "TXT", "values": "V=SPF1 -all"}, "TXT of a.test is v=spf1 -all, without V=SPF1 -all"),
        ("a.test", {"type": "NS"}, "a.test has no NS record"),
        ("none.test", {}, "no such name: none.test"),
        ("bad.test", {}, "DNS server 127.0.0.1:{port} failed (SERVFAIL) for bad.test"),
        ("hang.test", {}, "hang.test was not resolved within 0.3 s: no answer from DNS server 127.0.0.1:{port}"),
        ("x" * 64 + ".test", {}, "x" * 64 + ".test is not a name that DNS knows (LabelTooLong)"),
    ],
)  # fmt: skip
def test_other_records_are_a_dns_error_in_words(run: Run, name: str, settings: dict[str, Any], words: str) -> None:
    async def scenario() -> None:
        async with naming(RECORDS) as names:
            timeout_ms = 300 if name == "hang.test" else 5_000
            spec = make_spec(f"dns://{name}", kind="dns", settings=settings, timeout_ms=timeout_ms)
            result = await probe(spec, Tools(resolver=Resolver([names.address])))

        assert why(result) == (ErrorType.DNS, words.format(port=names.port))

    run(scenario())


def test_own_resolver_is_asked_if_it_may_be(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with naming(RECORDS) as names:
            settings = {"resolver": f"127.0.0.1:{names.port}"}
            own = await probe(make_spec("dns://a.test", kind="dns", settings=settings), tools)
            hanging = await probe(make_spec("dns://hang.test", kind="dns", settings=settings, timeout_ms=100), tools)
        with pytest.raises(NotAllowed, match="cloud metadata addresses are never probed"):
            await probe(make_spec("dns://a.test", kind="dns", settings={"resolver": "169.254.169.254"}), tools)

        assert own.verdict is Verdict.OK
        assert f"no answer from DNS server 127.0.0.1:{names.port}" in str(hanging.error_message)

    run(scenario())


def test_records_are_compared_in_canonical_form() -> None:
    assert canonical("10  MAIL.a.test.", "MX") == canonical("10 mail.A.test", "MX")
    assert canonical("0 .", "MX") == "0 ."
    assert canonical("Some Text.", "TXT") == "Some Text."
    assert canonical("not an address", "A") == "not an address"


def test_answers_that_do_not_fit_the_question_are_left_alone() -> None:
    query = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1"
    answer = query[:2] + b"\x81\x80" + query[4:]

    assert dns_client.fits(answer, query)
    assert dns_client.fits(answer.replace(b"\1a\4test", b"\1A\4TEST"), query)
    assert dns_client.fits(query[:2] + b"\x81\x85" + bytes(8), query)  # REFUSED, without the question
    assert not dns_client.fits(query, query)
    assert not dns_client.fits(b"\x12\x35" + answer[2:], query)
    assert not dns_client.fits(answer.replace(b"a", b"b"), query)
    assert not dns_client.fits(query[:2] + b"\x81\x80" + bytes(8), query)
    assert not dns_client.fits(b"", query)


class Liar(asyncio.DatagramProtocol):
    """Answers each question with rubbish, and at last, if it has something, with that."""

    def __init__(self, *rubbish: bytes) -> None:
        self._rubbish = rubbish

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for each in self._rubbish:
            self.transport.sendto(each.replace(b"QUERY", data), addr)
        self.transport.sendto(data[:2] + b"\x81\x80" + data[4:12] + data[12:] + b"\xff" * 9, addr)


@pytest.mark.parametrize(
    ("rubbish", "words"),
    [
        ((b"", b"x", b"QUERY", b"\0\0" + b"\x81" * 20), "a.test has no A record"),
        ((b"x",) * 99, "failed (its answers do not fit the question) for a.test"),
    ],
)
def test_forged_and_broken_answers(run: Run, rubbish: tuple[bytes, ...], words: str) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: Liar(*rubbish), ("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        settings = {"resolver": f"127.0.0.1:{port}"}
        result = await probe(make_spec("dns://a.test", kind="dns", settings=settings), Tools(resolver=Resolver([])))
        transport.close()

        assert result.error_type is ErrorType.DNS
        assert str(result.error_message).endswith(words)

    run(scenario())


def test_closed_port_of_a_server_fails_at_once(run: Run, tools: Tools, closed_port: int) -> None:
    settings = {"resolver": f"127.0.0.1:{closed_port}"}

    result = run(probe(make_spec("dns://a.test", kind="dns", settings=settings), tools))

    words = f"DNS server 127.0.0.1:{closed_port} failed (Connection refused) for a.test"
    assert why(result) == (ErrorType.DNS, words)
