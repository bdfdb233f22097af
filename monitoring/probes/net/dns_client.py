"""Query DNS servers. dnspython parses the answers, but its resolver would cost several times the work itself.

Each query has its own socket, so a port that the kernel chooses, and a random id (RFC 5452, 9): a forged answer would
have to guess both.
"""

import asyncio
import os
import secrets
import socket
import struct
from collections.abc import Sequence
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from monitoring.probes.failures import OWN_LIMITS, ResolutionFailed, seconds
from monitoring.probes.net.dns_effort import TooCostly, limit_effort

ATTEMPT_S = 1.0  # before the query is sent again, or to the next server
LIFETIME_S = 30.0  # of a look-up; the deadline of a probe is usually shorter and ends it first
STRAY_ANSWERS = 32  # that do not match the query, before a server counts as broken
RECORDS = 256  # of an answer
INTERNET = 1

Nameserver = tuple[str, int]


class _ServerFailed(Exception):
    """A server gave no usable answer; the text says what happened."""


class DnsClient:
    """Query servers in turn. Belongs to no loop, and keeps nothing open between queries."""

    def __init__(self, nameservers: Sequence[Nameserver]) -> None:
        self.nameservers = tuple(nameservers)

    @property
    def servers(self) -> str:
        """Name the servers in a message."""
        shown = " or ".join(server_words(server) for server in self.nameservers)
        return f"DNS server {shown}" if shown else "DNS (no server is configured)"

    async def ask(self, name: str, record: dns.rdatatype.RdataType) -> dns.message.QueryMessage:
        """Return the first answer with NOERROR or NXDOMAIN. Raises `ResolutionFailed` with a message.

        Has no deadline except `LIFETIME_S`, as the caller has one.
        """
        if not self.nameservers:
            raise ResolutionFailed(f"cannot resolve {name}: no DNS server is configured")
        wire = question(name, record)
        try:
            async with asyncio.timeout(LIFETIME_S):
                return await self._ask_in_turn(wire, name)
        except TimeoutError:
            raise ResolutionFailed(f"{self.servers} did not answer within {seconds(int(LIFETIME_S * 1000))}") from None

    async def _ask_in_turn(self, wire: bytes, name: str) -> dns.message.QueryMessage:
        """Query silent servers again, but not failing ones. Raises `ResolutionFailed` when all have failed."""
        servers, reasons = list(self.nameservers), list[str]()
        while servers:
            for server in tuple(servers):
                try:
                    async with asyncio.timeout(ATTEMPT_S):
                        return await _ask_one(server, wire)
                except TimeoutError:
                    continue
                except _ServerFailed as error:
                    reasons.append(f"DNS server {server_words(server)} failed ({error})")
                    servers.remove(server)
        raise ResolutionFailed(f"{'; '.join(reasons)} for {name}")


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


async def _ask_one(server: Nameserver, wire: bytes) -> dns.message.QueryMessage:
    """Ask one server once. Raises `_ServerFailed`, or what is a limit of our own machine."""
    try:
        answer = await _exchange(server, secrets.token_bytes(2) + wire)
    except TimeoutError:
        raise
    except OSError as error:
        if error.errno in OWN_LIMITS:
            raise
        raise _ServerFailed(os.strerror(error.errno) if error.errno else "connection lost") from error
    except asyncio.IncompleteReadError as error:
        raise _ServerFailed("connection lost") from error
    except dns.exception.DNSException as error:
        raise _ServerFailed("its answer cannot be read") from error
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _ServerFailed(dns.rcode.to_text(answer.rcode()))
    return answer


async def _exchange(server: Nameserver, query: bytes) -> dns.message.QueryMessage:
    answer = _read(await _by_udp(server, query))
    if answer.flags & dns.flags.TC:
        answer = _read(await _by_tcp(server, query))
    return answer


async def _by_udp(server: Nameserver, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect(server)  # from here on, the kernel drops datagrams of others
        sock.send(query)
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
                self._arrived.set_exception(_ServerFailed("its answers do not fit the question"))


async def _by_tcp(server: Nameserver, query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        length = int.from_bytes(await reader.readexactly(2), "big")
        data = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    if not fits(data, query):
        raise _ServerFailed("its answer does not fit the question")
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
        raise _ServerFailed(f"its answer has more than {RECORDS} records")
    try:
        limit_effort(data)
    except TooCostly:
        raise _ServerFailed("its answer has too many parts") from None
    answer = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
    if not isinstance(answer, dns.message.QueryMessage):
        raise _ServerFailed("its answer is not one to a query")
    return answer
