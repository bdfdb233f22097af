"""DNS messages that are small on the wire and slow to read are refused unread."""

import struct

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes.kinds.dns_record import TYPES
from monitoring.probes.net.dns_effort import TooCostly, limit_effort

QUESTION = b"\x04many\x04test\0" + struct.pack("!HH", 1, 1)
OWNER = b"\xc0\x0c"  # the name of the question
LONG = b"\x01a" * 120 + b"\0"


def message(kind: int, data: bytes, records: int = 1, question: bytes = QUESTION) -> bytes:
    head = struct.pack("!6H", 1, 0x8180, 1, records, 0, 0)
    return head + question + (OWNER + struct.pack("!HHIH", kind, 1, 60, len(data)) + data) * records


COSTLY = {
    "addresses of a long name": message(1, b"\x7f\0\0\1", 256, LONG + QUESTION[-4:]),
    "names of names": message(5, OWNER, 256, LONG + QUESTION[-4:]),
    "empty texts": message(16, b"\0" * 65_000),
    "short texts": message(16, b"\x01a" * 32_500),
    "options": message(41, struct.pack("!HH", 65_001, 0) * 16_000),
    "parameters": message(64, b"\0\1\0" + b"".join(struct.pack("!HH", key, 0) for key in range(7, 16_000))),
    "prefixes": message(42, struct.pack("!HBB", 1, 0, 0) * 16_000),
    "names in a rare type": message(18, b"\0\1" + OWNER, 256, LONG + QUESTION[-4:]),
    "a name in a circle": struct.pack("!6H", 1, 0x8180, 1, 0, 0, 0) + OWNER + QUESTION[-4:],
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_answer_is_refused(name: str) -> None:
    with pytest.raises(TooCostly):
        limit_effort(COSTLY[name])


RECORDS = {
    "A": "192.0.2.{0}", "AAAA": "2001:db8::{0}", "CAA": '0 issue "ca{0}.test"', "CNAME": "c{0}.a.test.",
    "MX": "{0} mx{0}.a.test.", "NS": "ns{0}.a.test.", "PTR": "p{0}.a.test.", "SRV": "0 0 {0} s{0}.a.test.",
    "SOA": "ns.a.test. me.a.test. {0} 1 1 1 1", "TXT": '"v=spf1 {0}" "more"',
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_a_genuine_answer_is_read(kind: str) -> None:
    many = 1 if kind in ("CNAME", "SOA") else 100
    answer = dns.message.make_response(dns.message.make_query("a.rather.long.name.test", kind))
    records = [RECORDS[kind].format(number + 1) for number in range(many)]
    answer.answer.append(dns.rrset.from_text_list("a.rather.long.name.test.", 60, "IN", kind, records))

    limit_effort(answer.to_wire())


@given(data=st.binary(max_size=300))
def test_whatever_arrives_it_ends(data: bytes) -> None:
    for each in (data, COSTLY["names of names"][: len(data)] + data):
        try:
            limit_effort(each)
        except TooCostly:
            continue


@given(cut=st.integers(0, 60), extra=st.binary(max_size=20))
def test_what_is_cut_is_left_to_the_reader(cut: int, extra: bytes) -> None:
    text = message(16, b"\x01a" * 9) + extra
    limit_effort(text[: len(text) - cut])
