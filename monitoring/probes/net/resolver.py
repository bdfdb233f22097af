"""Resolve names without blocking, as glibc does: by the hosts file, then by DNS with the search list.

Answers are cached for their TTL, at most `MAX_TTL_S`, and until resolv.conf or the hosts file changes. Failures are not
cached, so that a recheck after a failure queries again.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from monitoring.probes.failures import NoNameServer, ResolutionFailed
from monitoring.probes.net.address import literal
from monitoring.probes.net.dns_client import Asked, DnsClient, NoAnswer, Refusing
from monitoring.probes.net.resolv_conf import Nameserver, ResolvConf, candidates
from monitoring.probes.net.system_names import SystemNames

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


class NoAddress(ResolutionFailed):
    """A name exists, without an address."""


class _Flight:
    """A running look-up, the number of probes that wait for it, and the servers that it asked."""

    __slots__ = ("asked", "task", "waiters")

    def __init__(self, task: asyncio.Task[tuple[str, ...]], asked: Asked) -> None:
        self.task = task
        self.asked = asked
        self.waiters = 0


class Resolver:
    """Resolve names for the probes of one event loop.

    Probes that ask for the same name at the same time share one look-up; it ends with the last that waits for it.
    """

    def __init__(
        self,
        nameservers: Sequence[Nameserver] = (),
        *,
        conf: ResolvConf | None = None,
        hosts: Mapping[str, tuple[str, ...]] | None = None,
        system: SystemNames | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Given `system`, everything else but the clock comes from its files, now and whenever they change."""
        self._conf = conf or ResolvConf()
        self._client = DnsClient(nameservers, self._conf)
        self._hosts = hosts or {}
        self._system = system
        self._clock = clock
        self._cache: dict[str, Found] = {}
        self._flights: dict[str, _Flight] = {}
        self._abandoned: dict[str, Asked] = {}  # of look-ups that ended with their last waiter

    @classmethod
    def from_system(cls, nameservers: Sequence[Nameserver] = ()) -> "Resolver":
        """Use the hosts file and resolv.conf of this machine; given servers take the place of those written there."""
        return cls(system=SystemNames(tuple(nameservers)))

    @property
    def client(self) -> DnsClient:
        """The client of our own servers, for questions without cache and search."""
        self._follow_system()
        return self._client

    @property
    def servers(self) -> str:
        """Name the DNS servers in a message."""
        return self._client.servers

    def _follow_system(self) -> None:
        """Take over changed files: look-ups that run already end with the servers they began with."""
        if self._system is None or (names := self._system.changed()) is None:
            return
        self._hosts = names.hosts
        self._cache.clear()
        if names.conf != self._conf or names.conf.servers != self._client.nameservers:
            self._conf, self._client = names.conf, DnsClient(names.conf.servers, names.conf)
            self._flights.clear()

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return at least one address. Raises `ResolutionFailed`, also for text that only looks like an address.

        Raises `NoNameServer` when our own servers are to blame.
        """
        if (address := literal(host)) is not None:
            return (address,)
        self._follow_system()
        name = host.lower()
        if known := self._hosts.get(name):
            return known
        # RFC 6761: these two never go to DNS.
        whole = name.removesuffix(".")
        if whole == "localhost" or whole.endswith(".localhost"):
            return LOOPBACK
        if whole == "invalid" or whole.endswith(".invalid"):
            raise ResolutionFailed(f"no such host: {host}")
        found = self._cache.get(name)
        if found is not None and found.until_s > self._clock():
            return found.addresses
        return await self._join(name)

    async def check_servers(self, host: str) -> None:
        """Raise `NoNameServer` if our own servers are to blame that a host was not resolved in time."""
        name = host.lower()
        flight = self._flights.get(name)
        asked = flight.asked if flight else self._abandoned.pop(name, {})
        await self._client.check_servers(dict(asked))

    async def _join(self, name: str) -> tuple[str, ...]:
        flight = self._flights.get(name)
        if flight is None:
            asked: Asked = {}
            flight = self._flights[name] = _Flight(asyncio.create_task(self._look_up(name, asked)), asked)
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if flight.waiters == 0:
                if flight.task.cancel():  # otherwise it is done
                    self._abandoned[name] = flight.asked
                if self._flights.get(name) is flight:
                    del self._flights[name]

    async def _look_up(self, host: str, asked: Asked) -> tuple[str, ...]:
        """Look up a host under its names in the search list, until one has an address."""
        names, failures = candidates(host, self._conf), list[ResolutionFailed | Refusing]()
        client, no_aaaa = self._client, self._conf.no_aaaa
        for name in names:
            try:
                found = await self._ask_both(client, name, asked, no_aaaa=no_aaaa)
            except NoAnswer:
                raise
            except (ResolutionFailed, Refusing) as failure:
                failures.append(failure)
            else:
                if client is self._client:
                    self._remember(host, found)
                return found.addresses
        raise _most_telling(host, names, failures)

    async def _ask_both(self, client: DnsClient, name: str, asked: Asked, *, no_aaaa: bool) -> Found:
        """Query both families at once; an answer for one does not wait long for the other."""
        records = ("A",) if no_aaaa else ("AAAA", "A")
        tasks = [asyncio.create_task(self._ask(client, name, record, asked)) for record in records]
        try:
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if pending:
                has_addresses = any(task.exception() is None and task.result().addresses for task in done)
                await asyncio.wait(pending, timeout=RESOLUTION_DELAY_S if has_addresses else None)
            return _gather(name, [task for task in tasks if task.done()], len(tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _remember(self, name: str, found: Found) -> None:
        if len(self._cache) >= CACHED_NAMES:
            now = self._clock()
            self._cache = {key: value for key, value in self._cache.items() if value.until_s > now}
        if len(self._cache) < CACHED_NAMES:
            self._cache[name] = found

    async def _ask(self, client: DnsClient, name: str, record: str, asked: Asked) -> Found:
        answer = await client.ask(name, _FAMILIES[record], asked)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            raise ResolutionFailed(f"no such host: {name}")
        try:
            chain = answer.resolve_chaining()
        except dns.exception.DNSException as error:  # such as a chain of aliases that never ends
            raise ResolutionFailed(f"answer for {name} makes no sense ({type(error).__name__})") from error
        ttl_s = min(chain.minimum_ttl, MAX_TTL_S)
        return Found(tuple(record.to_text() for record in chain.answer or ()), self._clock() + ttl_s)


def _gather(name: str, done: Sequence[asyncio.Task[Found]], wanted: int) -> Found:
    """Join what was found. Raises what was not: failures of the name before those of our own servers."""
    failures = [error for task in done if (error := task.exception()) is not None]
    found = [task.result() for task in done if task.exception() is None]
    if addresses := tuple(address for each in found for address in each.addresses):
        is_whole = len(found) == wanted  # a partial answer must not be cached
        return Found(addresses, min(each.until_s for each in found) if is_whole else 0.0)
    for failure in sorted(failures, key=lambda failure: isinstance(failure, NoNameServer)):
        raise failure
    raise NoAddress(f"{name} has no address (neither A nor AAAA record)")


def _most_telling(
    host: str, names: Sequence[str], failures: Sequence[ResolutionFailed | Refusing]
) -> ResolutionFailed | Refusing:
    """Return what to say of a host that no name led to an address, as glibc chooses."""
    if names[0] == host.removesuffix("."):
        return failures[0]
    kinds = (NoAddress, Refusing)  # a refused name might have had an address
    best = next((each for kind in kinds for each in failures if isinstance(each, kind)), failures[-1])
    kind = Refusing if isinstance(best, Refusing) else ResolutionFailed
    return kind(f"{best} (tried as {', '.join(names)})")


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
