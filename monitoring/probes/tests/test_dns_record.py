import asyncio
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes import probe
from monitoring.probes.failures import NotAllowed
from monitoring.probes.kinds.dns_record import KIND
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net import dns_client
from monitoring.probes.net.dns_values import EXAMPLES, canonical, canonical_text
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


LONG = "v=DKIM1; k=rsa; p=" + "A" * 300


@pytest.mark.parametrize(
    ("record_type", "value", "record"),
    [
        ("A", " 10.0.0.1 ", "10.0.0.1"),
        ("AAAA", "FD00:0::01", "fd00::1"),
        ("AAAA", "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("AAAA", "::ffff:c000:201", "::ffff:192.0.2.1"),
        ("AAAA", "::192.0.2.1", "::192.0.2.1"),
        ("MX", "10  MAIL.a.test.", "10 mail.A.test."),
        ("MX", "10 mail.a.test", "10 mail.a.test."),
        ("MX", "10 mail.a.test ; first", "10 mail.a.test."),
        ("MX", "a.test. 3600 IN MX 10 mail.a.test.", "10 mail.a.test."),
        ("MX", "IN MX 10 mail.a.test.", "10 mail.a.test."),
        ("MX", "10 bücher.example", "10 xn--bcher-kva.example."),
        ("MX", "0 .", "0 ."),
        ("NS", "☕.example", "xn--53h.example."),
        ("PTR", "Host.A.test", "host.a.test."),
        ("SRV", "0 5 5060 SIP.a.test.", "0 5 5060 sip.a.test."),
        ("SOA", "ns.a.test. admin.a.test. ( 7 1h 10m 1d 60 )", "ns.a.test. admin.a.test. 7 3600 600 86400 60"),
        ("SOA", "ns.a.test. a.a.test. (\n 7 ; no.\n 3600 600 86400 60 )", "ns.a.test. a.a.test. 7 3600 600 86400 60"),
        ("CAA", '0 issue "ca.example"', '0 issue "ca.example"'),
        ("CAA", "0 issue ca.example", '0 issue "ca.example"'),
        ("CAA", '128 ISSUE "Ca.example; policy=ev"', '128 issue "ca.example; policy=ev"'),
        ("CAA", '0 iodef "mailto:a@b.example"', '0 iodef "mailto:a@b.example"'),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", '"v=spf1 -all"', '"v=spf1 -all"'),
        ("TXT", '"v=spf1 include:x.example ~all"', '"v=spf1 " "include:x.example ~all"'),
        ("TXT", '"v=spf1 " "-all"', '"v=spf1 -all"'),
        ("TXT", '( "v=spf1 "\n "-all" )', '"v=spf1 -all"'),
        ("TXT", '"a;b" ; why', '"a;b"'),
        ("TXT", r'"say \"hi\" \\ \195\188"', r'"say \"hi\" \\ \195\188"'),
        ("TXT", "ü", r'"\195\188"'),
        ("TXT", '"ü"', r'"\195\188"'),
        ("TXT", "v=DMARC1; p=none", '"v=DMARC1; p=none"'),
        ("TXT", 'a.test. 300 IN TXT "v=spf1 -all"', '"v=spf1 -all"'),
        ("TXT", '"example.com. IN TXT hi"', '"example.com. IN TXT hi"'),
        ("CAA", r'0 issue "ca.example; a=\"x\\y\""', r'0 issue "ca.example; a=\"x\\y\""'),
        ("TXT", LONG, f'"{LONG[:255]}" "{LONG[255:]}"'),
        ("TXT", f'"{LONG[:200]}" "{LONG[200:]}"', f'"{LONG[:255]}" "{LONG[255:]}"'),
        ("A", r"\# 4 0a000001", None),
        ("MX", r"\# 4 000a0000", None),
        ("A", "fd00::1", None),
        ("AAAA", "10.0.0.1", None),
        ("A", "www.example.com", None),
        ("MX", "mail.example.com", None),
        ("MX", "10", None),
        ("MX", "10 mail a.test", None),
        ("MX", "10 @", None),
        ("MX", "a.test. 3600 IN NS 10 mail.a.test.", None),
        ("NS", "a..b", None),
        ("NS", "א1a.example", None),
        ("CAA", "issue ca.example", None),
        ("SRV", "5 5060 sip.a.test", None),
        ("SOA", "ns.a.test. admin.a.test. 7", None),
        ("TXT", '"open', None),
    ],
)  # fmt: skip
def test_values_are_read_as_in_a_zone_file(record_type: str, value: str, record: str | None) -> None:
    settings, problems = KIND.read({"type": record_type, "values": value})
    if record is None:
        assert settings is None
        assert [problem.key for problem in problems] == ["values"] and "as in a zone file, such as" in str(problems[0])
        return
    held = dns.rdata.from_text("IN", record_type, record)

    assert problems == []
    assert canonical(value, record_type) == canonical_text(held)
    assert canonical(EXAMPLES[record_type], record_type)


@given(
    st.one_of(
        st.tuples(st.just("A"), st.binary(min_size=4, max_size=4)),
        st.tuples(st.just("AAAA"), st.binary(min_size=16, max_size=16)),
        st.tuples(st.just("AAAA"), st.binary(min_size=4, max_size=4).map(lambda data: bytes(10) + b"\xff\xff" + data)),
        st.tuples(st.just("CAA"), st.binary(max_size=40).map(lambda data: b"\0\x05issue" + data)),
        st.tuples(st.just("TXT"), st.binary(max_size=40).map(lambda data: bytes([len(data)]) + data)),
    )
)
def test_a_record_equals_what_its_zone_file_says(given_record: tuple[str, bytes]) -> None:
    record_type, data = given_record
    record = dns.rdata.from_wire("IN", record_type, data, 0, len(data))

    assert canonical(record.to_text(), record_type) == canonical_text(record)


@given(st.lists(st.binary(min_size=1, max_size=255), min_size=1, max_size=3))
def test_a_text_copied_from_a_zone_file_is_that_text(strings: list[bytes]) -> None:
    held = TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)

    assert canonical(held.to_text(), "TXT") == canonical_text(held)


@pytest.mark.parametrize(
    ("host", "settings"),
    [("192.0.2.1", {}), ("192.0.2.1", {"type": "PTR", "values": "www.a.test"}), ("[2001:db8::1]", {"type": "AAAA"}),
     ("1.2.0.192.in-addr.arpa", {"type": "PTR"}), ("3221225985", {})],
)  # fmt: skip
def test_an_address_stands_for_its_reverse_name(run: Run, host: str, settings: dict[str, Any]) -> None:
    six = ".".join(reversed("20010db8" + "0" * 23 + "1")) + ".ip6.arpa"

    async def scenario() -> ProbeResult:
        async with naming({("1.2.0.192.in-addr.arpa", "PTR"): ["www.a.test."], (six, "PTR"): ["www.a.test."]}) as names:
            spec = make_spec(f"dns://{host}", kind="dns", settings=settings)
            return await probe(spec, Tools(resolver=Resolver([names.address])))

    result = run(scenario())
    assert result.verdict is Verdict.OK, result.error_message


def test_the_name_of_an_address_needs_the_type_ptr() -> None:
    settings, problems = KIND.read({"values": "www.example.com"})

    assert settings is None and "set type: PTR for the name of an address" in str(problems[0])


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
