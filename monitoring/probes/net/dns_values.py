"""Values of DNS records: read as in a zone file, and compared in a canonical form."""

import re
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import httpx
from dns.rdtypes.ANY.CAA import CAA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.AAAA import AAAA

from monitoring.probes.net.address import literal
from monitoring.probes.net.names import to_ascii

EXAMPLES = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "CAA": '0 issue "ca.example"',
    "CNAME": "www.example.com",
    "MX": "10 mail.example.com",
    "NS": "ns.example.com",
    "PTR": "www.example.com",
    "SOA": "ns.example.com admin.example.com 7 3600 600 86400 60",
    "SRV": "0 5 5060 sip.example.com",
    "TXT": '"v=spf1 -all"',
}
# Name, time to live and class before the type, where somebody copied a whole line: `example.com. 3600 IN MX 10 …`
# A quote begins a value, in which anything may stand.
_LINE_START = r"(?:[^\s\"]+\s+)?(?:[0-9]\w*\s+)?IN\s+{}\s+"


@lru_cache(maxsize=4096)
def canonical(value: str, record_type: str) -> str:
    """Return a written value in canonical form, so that equal records are equal texts. Raises ValueError."""
    text = re.sub(f"^{_LINE_START.format(record_type)}", "", value.strip(), count=1, flags=re.IGNORECASE)
    if record_type == "TXT" and not text.startswith(('"', '("', '( "')):
        return value if text == value.strip() else text  # the text itself, without quotes
    if record_type in ("A", "AAAA"):
        return _address(text, record_type)
    if "@" in text.split():
        raise ValueError("@ has no meaning outside of a zone file")
    if record_type not in ("TXT", "CAA") and not text.isascii():
        text = " ".join(part if part.isascii() else _ascii(part) for part in text.split())
    try:
        record = dns.rdata.from_text(dns.rdataclass.IN, record_type, text, origin=dns.name.root, relativize=False)
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from error
    return canonical_text(record)


def canonical_text(record: dns.rdata.Rdata) -> str:
    """Return a record in canonical form, as messages show it."""
    if isinstance(record, TXT):
        return b"".join(record.strings).decode(errors="replace")
    if isinstance(record, AAAA):
        return _address(record.address, "AAAA")  # dnspython writes `::ffff:192.0.2.1`, Python `::ffff:c000:201`
    if isinstance(record, CAA):
        return record.to_text().lower()
    # Names: in any case, and with or without the dot of the root.
    return " ".join(part.removesuffix(".") or "." for part in record.to_text().lower().split())


def _address(text: str, record_type: str) -> str:
    address = literal(text)
    if address is None or (":" in address) != (record_type == "AAAA"):
        raise ValueError("it is no such address")
    return address


def _ascii(part: str) -> str:
    try:
        return to_ascii(part)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from error
