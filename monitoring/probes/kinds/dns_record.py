"""The DNS probe: does a name have the records that it should have?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename

from monitoring.probes.attempt import Attempt
from monitoring.probes.failures import NotAllowed, bad, printable
from monitoring.probes.kind import Kind
from monitoring.probes.model import ErrorType, Finding, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.address import literal, refusal
from monitoring.probes.net.dns_client import Asked, DnsClient
from monitoring.probes.net.dns_values import EXAMPLES, canonical, canonical_text
from monitoring.probes.net.resolver import parse_nameserver
from monitoring.probes.net.timeline import Stage
from monitoring.probes.settings import Notes, Problem, Settings, degraded_over, setting, texts
from monitoring.probes.suggestions import shown
from monitoring.probes.target import Port, Target, read_target
from monitoring.probes.tools import Tools

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
SHOWN_RECORDS = 5


def read_resolver(value: Any, notes: Notes) -> str:
    """Read the address of a DNS server. A `Reader`."""
    try:
        parse_nameserver(str(value))
    except ValueError:
        notes.add("%(value)s is not the address of a DNS server. Enter ip or ip:port.", value)
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings(Settings):
    """Settings of `kind: dns`."""

    type: str = setting("A", label="Record type", help="Type of the records to query.", choices=TYPES)
    values: tuple[str, ...] = setting(
        (),
        label="Values",
        help='Expected values as in a zone file, such as "10 mail.example.com" for MX; without values, any'
        " record is accepted.",
        reader=texts,
        example=["192.0.2.1", "192.0.2.2"],
    )
    match: str = setting(
        "all",
        label="Match",
        help="Whether the records must include all values (all), at least one (any), or exactly these values (exact).",
        choices=("all", "any", "exact"),
    )
    resolver: str | None = setting(
        None,
        label="DNS server",
        help="DNS server to query (ip or ip:port) instead of the worker's own.",
        reader=read_resolver,
        example="192.0.2.53",
    )
    degraded_over_ms: int | None = degraded_over()

    def problems(self) -> Iterator[Problem]:
        for value in self.values:
            try:
                canonical(value, self.type)
            except ValueError:
                message = "%(value)s is not a record of type %(type)s. Enter it as in a zone file, such as %(example)s."
                if self.type in ("A", "AAAA"):
                    message = (
                        "%(value)s is not a record of type %(type)s. Enter it as in a zone file, such as %(example)s,"
                        " or set type: PTR for the name of an address."
                    )
                params = {"value": shown(value), "type": self.type, "example": EXAMPLES[self.type]}
                yield Problem("values", value, message, params)
        if self.match != "all" and not self.values:
            yield Problem("match", self.match, "there are no values to match. Enter values as well.")


async def probe(spec: ProbeSpec, settings: DnsSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Query once, without the hosts file and the cache of our resolver."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look() -> Finding:
        target = _read_target(spec.url)
        hop = attempt.begin(spec.url, target.host, "DNS")
        attempt.dns = query = Query(_client(settings, tools), {})
        name, record_type = question_of(target.host, settings.type)
        answer = await query.client.ask(name, dns.rdatatype.from_text(record_type), query.asked)
        hop.enter(Stage.CONNECT)
        return judge(answer, name, record_type, settings)

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms)


@dataclass(frozen=True, slots=True)
class Query:
    """The servers that a check asks. As `attempt.Names`."""

    client: DnsClient
    asked: Asked

    @property
    def servers(self) -> str:
        return self.client.servers

    async def check_servers(self, _host: str) -> None:
        await self.client.check_servers(self.asked)


def _client(settings: DnsSettings, tools: Tools) -> DnsClient:
    """Return a client of the servers to ask. Raises `NotAllowed` for one that must not be dialled."""
    if settings.resolver is None:
        return tools.resolver.client
    server = parse_nameserver(settings.resolver)
    if reason := refusal(server[0], tools.policy):
        raise NotAllowed(reason)
    return DnsClient([server], is_own=False)


def question_of(host: str, record_type: str) -> tuple[str, str]:
    """Return the name and the type to ask for: an address stands for its reverse name, which has PTR records."""
    address = literal(host)
    if address is None:
        return host, record_type
    name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
    return name, "PTR" if record_type in ("A", "AAAA") else record_type


def judge(answer: dns.message.QueryMessage, name: str, record_type: str, settings: DnsSettings) -> Finding:
    """Compare the records of an answer with what is expected."""
    if answer.rcode() == dns.rcode.NXDOMAIN:
        return bad(ErrorType.DNS, f"no such name: {name}")
    try:
        found = records_of(answer)
    except dns.exception.DNSException as error:  # such as a chain of aliases that never ends
        return bad(ErrorType.DNS, f"answer for {name} makes no sense ({type(error).__name__})")
    if not found:
        return bad(ErrorType.DNS, f"{name} has no {record_type} record")
    words = mismatch(found, [canonical(value, settings.type) for value in settings.values], settings.match)
    return bad(ErrorType.DNS, f"{record_type} of {name} is {_listed(found)}, {words}") if words else Finding(Verdict.OK)


def records_of(answer: dns.message.QueryMessage) -> list[str]:
    """Return the records at the end of the aliases that an answer begins with, in canonical form and sorted."""
    chain = answer.resolve_chaining()
    return sorted(map(canonical_text, chain.answer or ()))


def mismatch(found: Sequence[str], wanted: Sequence[str], match: str) -> str | None:
    """Return how records differ from the wanted ones, both in canonical form; None if they match."""
    missing = [value for value in wanted if value not in found]
    if match == "any":
        return f"none of {_listed(wanted)}" if wanted and len(missing) == len(wanted) else None
    if missing:
        return f"without {_listed(missing)}"
    others = [value for value in found if value not in wanted]
    return f"where {_listed(others)} should not be" if match == "exact" and others else None


def _listed(values: Sequence[str]) -> str:
    shown = ", ".join(printable(value) for value in values[:SHOWN_RECORDS])
    more = len(values) - SHOWN_RECORDS
    return f"{shown} and {more} more" if more > 0 else shown


def _read_target(url: str) -> Target:
    return read_target(url, "dns", Port.NONE)


KIND = Kind(
    name="dns",
    label="DNS record",
    settings=DnsSettings,
    schemes=("dns",),
    check_url=_read_target,
    probe=probe,
)
