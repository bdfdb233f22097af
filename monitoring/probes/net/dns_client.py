"""Query DNS servers. dnspython parses the answers, but its resolver would cost several times the work itself.

Each query has its own socket, so a port that the kernel chooses, and a random id (RFC 5452, 9): a forged answer would
have to guess both.
"""

import asyncio
import contextlib
import itertools
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NoReturn

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from monitoring.probes.failures import OWN_LIMITS, NoNameServer, ResolutionFailed
from monitoring.probes.net.dns_effort import TooCostly, limit_effort
from monitoring.probes.net.resolv_conf import Nameserver, ResolvConf

LIFETIME_S = 30.0  # of a look-up; the deadline of a probe is usually shorter and ends it first
STRAY_ANSWERS = 32  # that do not match the query, before a server counts as broken
RECORDS = 256  # of an answer
INTERNET = 1
TRUNCATED = 0x02  # of the third byte of a message
ASKED_LAST_S = 10.0  # so long a server is asked after the others once it has been silent
SILENCE_S = 0.25  # an abandoned query that waited for so long counts as unanswered
PING_S = 0.5  # for a server to prove that it answers anything
ROOT = struct.pack("!5H", dns.flags.RD, 1, 0, 0, 0) + b"\0" + struct.pack("!2H", dns.rdatatype.NS, INTERNET)
EDNS0 = b"\0" + struct.pack("!2HIH", dns.rdatatype.OPT, 1232, 0, 0)
# Codes by which a server speaks of itself, not of the name.
ITS_OWN_FAULT = frozenset({dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.NOTAUTH})

Asked = dict[Nameserver, float]  # when each server was last asked for a name, on the clock of the client


class NoAnswer(ResolutionFailed):
    """All servers that did not fail were silent."""


class Refusing(NoNameServer):
    """All our servers refuse a question or cannot be reached; none was silent."""


class _ServerFailed(Exception):
    """A server gave no usable answer; the text says what happened."""

    def __init__(self, words: str, *, is_its_fault: bool) -> None:
        super().__init__(words)
        self.is_its_fault = is_its_fault  # rather than that of the name


class DnsClient:
    """Query servers in turn. Keeps nothing open between queries.

    Our own servers may be to blame when a name is not resolved; servers of a target are part of the target.
    """

    def __init__(
        self,
        nameservers: Sequence[Nameserver],
        conf: ResolvConf | None = None,
        *,
        is_own: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.nameservers = tuple(nameservers)
        self._conf = conf or ResolvConf()
        self._is_own = is_own
        self._clock = clock
        self._turn = itertools.count()
        self._heard_at: dict[Nameserver, float] = {}  # the last answer of any kind
        self._silent_at: dict[Nameserver, float] = {}  # the last query without one, if nothing was heard since
        self._pings: dict[Nameserver, asyncio.Task[bool]] = {}
        shown = " or ".join(server_words(server) for server in self.nameservers)
        self.servers = f"DNS server {shown}" if shown else "DNS (no server is configured)"  # for messages

    async def ask(
        self, name: str, record: dns.rdatatype.RdataType, asked: Asked | None = None
    ) -> dns.message.QueryMessage:
        """Return the first answer with NOERROR or NXDOMAIN, and note in `asked` which servers were asked.

        Raises `ResolutionFailed`, or `NoNameServer` when our own servers are to blame. Has no deadline except
        `LIFETIME_S`, as the caller has one; a caller who gives up asks `check_servers` who is to blame.
        """
        if not self.nameservers:
            raise NoNameServer(f"cannot resolve {name}: no DNS server is configured")
        return await self._ask_in_turn(question(name, record), name, {} if asked is None else asked)

    async def check_servers(self, asked: Asked) -> None:
        """Raise `NoNameServer` if none of our own servers that were asked in vain answers anything.

        A server that answered others since, or does so now, is alive: then it is the name that nobody answers for.
        """
        if self._is_own and asked and not await self._is_any_alive(asked):
            shown = " or ".join(server_words(server) for server in asked)
            raise NoNameServer(f"DNS server {shown} does not answer")

    async def _ask_in_turn(self, wire: bytes, name: str, asked: Asked) -> dns.message.QueryMessage:
        """Query silent servers again, but not failing ones. Raises `ResolutionFailed` when all have failed."""
        servers, failures = self._in_order(), dict[Nameserver, _ServerFailed]()
        until = self._clock() + LIFETIME_S
        rounds = itertools.count() if self._conf.attempts is None else range(self._conf.attempts)
        for _ in rounds:
            for server in tuple(servers):
                asked[server] = self._clock()
                try:
                    return await self._ask_patiently(server, wire)
                except TimeoutError:
                    continue
                except _ServerFailed as error:
                    failures[server] = error
                    servers.remove(server)
            if not servers or self._clock() >= until:
                break
        return await self._fail(name, failures, {server: asked[server] for server in servers})

    async def _fail(self, name: str, failures: dict[Nameserver, _ServerFailed], silent: Asked) -> NoReturn:
        words = [f"DNS server {server_words(server)} failed ({error})" for server, error in failures.items()]
        words += [f"DNS server {server_words(server)} did not answer" for server in silent]
        said = f"{'; '.join(words)} for {name}"
        is_ours = self._is_own and all(error.is_its_fault for error in failures.values())
        if is_ours and not (silent and await self._is_any_alive(silent)):
            raise (NoNameServer if silent else Refusing)(said)
        raise (NoAnswer if silent else ResolutionFailed)(said)

    def _in_order(self) -> list[Nameserver]:
        """Return the servers, those that were silent a moment ago at the end."""
        servers = list(self.nameservers)
        if self._conf.rotate:
            first = next(self._turn) % len(servers)
            servers = servers[first:] + servers[:first]
        if self._silent_at:
            since = self._clock() - ASKED_LAST_S
            servers.sort(key=lambda server: self._silent_at.get(server, since) > since)
        return servers

    async def _ask_patiently(self, server: Nameserver, wire: bytes) -> dns.message.QueryMessage:
        """Ask one server and note whether it is silent. Raises TimeoutError or `_ServerFailed`."""
        began = self._clock()
        try:
            async with asyncio.timeout(self._conf.attempt_s):
                return await self._ask_one(server, wire)
        finally:
            now = self._clock()
            if self._heard_at.get(server, began - 1) >= began:
                self._silent_at.pop(server, None)
            elif now - began >= SILENCE_S:
                self._silent_at[server] = now

    async def _ask_one(self, server: Nameserver, wire: bytes) -> dns.message.QueryMessage:
        """Ask one server once. Raises `_ServerFailed`, or what is a limit of our own machine."""
        extra = EDNS0 if self._conf.edns0 else b""
        answer = await self._answer_of(server, wire, extra)
        if extra and answer.rcode() in (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS):
            answer = await self._answer_of(server, wire, b"")  # RFC 6891, 6.2.2
        code = answer.rcode()
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise _ServerFailed(dns.rcode.to_text(code), is_its_fault=code in ITS_OWN_FAULT)
        return answer

    async def _answer_of(self, server: Nameserver, wire: bytes, extra: bytes) -> dns.message.QueryMessage:
        query = secrets.token_bytes(2) + wire
        try:
            data = b"" if self._conf.use_tcp else await _by_udp(server, query, extra)
            if not data or data[2] & TRUNCATED:
                data = await _by_tcp(server, query, extra)
        except TimeoutError:
            raise
        except OSError as error:
            if error.errno in OWN_LIMITS:
                raise
            raise _ServerFailed(_why(error), is_its_fault=True) from error
        except asyncio.IncompleteReadError as error:
            raise _ServerFailed("connection lost", is_its_fault=True) from error
        self._heard_at[server] = self._clock()
        try:
            return _read(data)
        except dns.exception.DNSException as error:
            raise _ServerFailed("its answer cannot be read", is_its_fault=False) from error

    async def _is_any_alive(self, asked: Asked) -> bool:
        """Return whether a server answered anything after it was last asked for a name, or does now."""
        if any(self._heard_at.get(server, at - 1) >= at for server, at in asked.items()):
            return True
        return any(await asyncio.gather(*(self._is_alive(server) for server in asked)))

    async def _is_alive(self, server: Nameserver) -> bool:
        """Ask a server for the root, which every resolver can answer or refuse; at most one query at a time."""
        ping = self._pings.get(server)
        if ping is None:
            ping = self._pings[server] = asyncio.create_task(self._ping(server))
            ping.add_done_callback(lambda _: self._pings.pop(server, None))
        return await asyncio.shield(ping)

    async def _ping(self, server: Nameserver) -> bool:
        began = self._clock()
        with contextlib.suppress(TimeoutError, _ServerFailed):
            async with asyncio.timeout(PING_S):
                await self._ask_one(server, ROOT)
        return self._heard_at.get(server, began - 1) >= began


def question(name: str, record: dns.rdatatype.RdataType) -> bytes:
    """Return a query, recursion desired, without its id. Raises `ResolutionFailed` for an invalid name."""
    return struct.pack("!5H", dns.flags.RD, 1, 0, 0, 0) + _labels(name) + struct.pack("!2H", record, INTERNET)


@lru_cache(maxsize=4096)  # both families are asked for, and the same names again and again
def _labels(name: str) -> bytes:
    try:
        labels = dns.name.from_text(name).to_wire()
    except dns.exception.DNSException as error:
        raise ResolutionFailed(f"{name} is not a name that DNS knows ({type(error).__name__})") from error
    assert labels is not None
    return labels


def server_words(server: Nameserver) -> str:
    address, port = server
    return address if port == 53 else f"{address}:{port}"


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):  # an address with a scope that is no interface here
        return str(error.strerror)
    return os.strerror(error.errno) if error.errno else "connection lost"


def _with(query: bytes, extra: bytes) -> bytes:
    """Add a record to the end of a query."""
    return query[:10] + b"\0\1" + query[12:] + extra if extra else query


async def _by_udp(server: Nameserver, query: bytes, extra: bytes = b"") -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect(server)  # from here on, the kernel drops datagrams of others
        sock.send(_with(query, extra))
        arrived: asyncio.Future[bytes] = loop.create_future()
        loop.add_reader(sock, _Receiver(sock, query, arrived))
        try:
            return await arrived
        finally:
            loop.remove_reader(sock)


class _Receiver:
    """Receive datagrams until one matches the query."""

    __slots__ = ("_arrived", "_query", "_sock", "_strays")

    def __init__(self, sock: socket.socket, query: bytes, arrived: asyncio.Future[bytes]) -> None:
        self._sock = sock
        self._query = query
        self._arrived = arrived
        self._strays = 0

    def __call__(self) -> None:
        if self._arrived.done():
            return
        try:
            data = self._sock.recv(65_535)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:  # such as "connection refused", from an ICMP message
            self._arrived.set_exception(error)
            return
        if fits(data, self._query):
            self._arrived.set_result(data)
        else:
            self._strays += 1
            if self._strays > STRAY_ANSWERS:
                self._arrived.set_exception(_ServerFailed("its answers do not fit the question", is_its_fault=True))


async def _by_tcp(server: Nameserver, query: bytes, extra: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        message = _with(query, extra)
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        data = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    if not fits(data, query):
        raise _ServerFailed("its answer does not fit the question", is_its_fault=True)
    return data


def fits(data: bytes, query: bytes) -> bool:
    """Return whether a message is an answer with the id and the question of a query."""
    # 12 bytes of header; names are compared as DNS does, which leaves the rest of the question as it is.
    end = len(query)
    is_answer = len(data) >= 12 and bool(data[2] & 0x80) and data[:2] == query[:2]
    if is_answer and data[4:6] == b"\0\0":
        return data[3] & 0x0F != dns.rcode.NOERROR  # some servers leave the question out of an error
    return is_answer and data[4:6] == b"\0\1" and data[12:end].lower() == query[12:end].lower()


def _read(data: bytes) -> dns.message.QueryMessage:
    if sum(struct.unpack("!3H", data[6:12])) > RECORDS:
        raise _ServerFailed(f"its answer has more than {RECORDS} records", is_its_fault=False)
    try:
        limit_effort(data)
    except TooCostly:
        raise _ServerFailed("its answer has too many parts", is_its_fault=False) from None
    answer = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
    if not isinstance(answer, dns.message.QueryMessage):
        raise _ServerFailed("its answer is not one to a query", is_its_fault=True)
    return answer
