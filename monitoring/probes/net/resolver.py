"""Resolve names without blocking: by the hosts file, then by DNS.

Search domains of resolv.conf are not applied: a monitored name is complete. Answers are cached for their TTL, at most
`MAX_TTL_S`. Failures are not cached, so that a recheck after a failure queries again.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

from monitoring.probes.failures import ResolutionFailed
from monitoring.probes.net.address import literal
from monitoring.probes.net.dns_client import DnsClient, Nameserver
from monitoring.probes.net.hosts import system_hosts

MAX_TTL_S = 60.0
CACHED_NAMES = 10_000
RESOLUTION_DELAY_S = 0.05  # RFC 8305, 3: how long addresses in hand wait for those of the other family
LOOPBACK = ("127.0.0.1", "::1")

_FAMILIES = {"A": dns.rdatatype.A, "AAAA": dns.rdatatype.AAAA}


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses of a name and the instant on the resolver's clock until which they hold."""

    addresses: tuple[str, ...]
    until_s: float


class _Flight:
    """A running look-up, and the number of probes that wait for it."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[tuple[str, ...]]) -> None:
        self.task = task
        self.waiters = 0


class Resolver:
    """Resolve names for the probes of one event loop.

    Probes that ask for the same name at the same time share one look-up; it ends with the last that waits for it.
    """

    def __init__(
        self,
        nameservers: Sequence[Nameserver],
        *,
        hosts: Mapping[str, tuple[str, ...]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = DnsClient(nameservers)
        self._hosts = hosts or {}
        self._clock = clock
        self._cache: dict[str, Found] = {}
        self._flights: dict[str, _Flight] = {}

    @classmethod
    def from_system(cls, nameservers: Sequence[Nameserver] = ()) -> "Resolver":
        """Read the hosts file, and resolv.conf unless servers are given. Done once, so both need a restart."""
        return cls(nameservers or _system_nameservers(), hosts=system_hosts())

    @property
    def servers(self) -> str:
        """Name the DNS servers in a message."""
        return self.client.servers

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return at least one address. Raises `ResolutionFailed`, also for text that only looks like an address."""
        if (address := literal(host)) is not None:
            return (address,)
        name = host.lower().removesuffix(".")
        if known := self._hosts.get(name):
            return known
        # RFC 6761: these two never go to DNS.
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK
        if name == "invalid" or name.endswith(".invalid"):
            raise ResolutionFailed(f"no such host: {host}")
        found = self._cache.get(name)
        if found is not None and found.until_s > self._clock():
            return found.addresses
        return await self._join(name)

    async def _join(self, name: str) -> tuple[str, ...]:
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = _Flight(asyncio.create_task(self._look_up(name)))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if flight.waiters == 0:
                flight.task.cancel()  # does nothing to one that is done
                if self._flights.get(name) is flight:
                    del self._flights[name]

    async def _look_up(self, name: str) -> tuple[str, ...]:
        """Query both families at once; an answer for one does not wait long for the other."""
        v6 = asyncio.create_task(self._ask(name, "AAAA"))
        v4 = asyncio.create_task(self._ask(name, "A"))
        try:
            done, pending = await asyncio.wait((v6, v4), return_when=asyncio.FIRST_COMPLETED)
            if pending:
                has_addresses = any(task.exception() is None and task.result().addresses for task in done)
                await asyncio.wait(pending, timeout=RESOLUTION_DELAY_S if has_addresses else None)
            return self._gather(name, [task for task in (v6, v4) if task.done()])
        finally:
            v6.cancel()
            v4.cancel()

    def _gather(self, name: str, done: Sequence[asyncio.Task[Found]]) -> tuple[str, ...]:
        failures = [error for task in done if (error := task.exception()) is not None]
        found = [task.result() for task in done if task.exception() is None]
        addresses = tuple(address for each in found for address in each.addresses)
        if addresses:
            if len(found) == 2:  # a partial answer must not be cached
                self._remember(name, Found(addresses, min(each.until_s for each in found)))
            return addresses
        for failure in failures:
            raise failure
        raise ResolutionFailed(f"{name} has no address (neither A nor AAAA record)")

    def _remember(self, name: str, found: Found) -> None:
        if len(self._cache) >= CACHED_NAMES:
            now = self._clock()
            self._cache = {key: value for key, value in self._cache.items() if value.until_s > now}
        if len(self._cache) < CACHED_NAMES:
            self._cache[name] = found

    async def _ask(self, name: str, record: str) -> Found:
        answer = await self.client.ask(name, _FAMILIES[record])
        if answer.rcode() == dns.rcode.NXDOMAIN:
            raise ResolutionFailed(f"no such host: {name}")
        try:
            chain = answer.resolve_chaining()
        except dns.exception.DNSException as error:  # such as a chain of aliases that never ends
            raise ResolutionFailed(f"answer for {name} makes no sense ({type(error).__name__})") from error
        ttl_s = min(chain.minimum_ttl, MAX_TTL_S)
        return Found(tuple(record.to_text() for record in chain.answer or ()), self._clock() + ttl_s)


def parse_nameserver(text: str) -> Nameserver:
    """Read `ip`, `ip:port` or `[ip]:port`. Raises ValueError."""
    host, port = text.strip(), "53"
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    address = literal(host)
    if address is None or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"not the address of a DNS server: {text!r}")
    return address, int(port)


def _system_nameservers() -> list[Nameserver]:
    try:
        system = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration:
        return []
    return [(str(server), system.port) for server in system.nameservers]
