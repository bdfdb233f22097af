"""A tiny DNS server on loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENT = "silent"  # in place of addresses
SERVFAIL = "servfail"
TRUNCATED = "truncated"  # over UDP, then the addresses that follow over TCP


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers `{(name, "A"): [address, …]}`; a name that is in no key does not exist."""

    records: Mapping[tuple[str, str], list[str]]
    ttl_s: int = 60
    questions: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self.respond(data, is_tcp=False)
        if response is not None and self.transport is not None:
            self.transport.sendto(response, addr)

    def respond(self, data: bytes, *, is_tcp: bool) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, record = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, record))
        response = dns.message.make_response(query, recursion_available=True)
        found = self.records.get((name, record), [])
        if SILENT in found:
            return None
        if SERVFAIL in found:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif TRUNCATED in found and not is_tcp:
            response.flags |= dns.flags.TC
        elif not any(name == known for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif addresses := [text for text in found if text != TRUNCATED]:
            response.answer.append(dns.rrset.from_text_list(question.name, self.ttl_s, "IN", record, addresses))
        return response.to_wire()

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        response = self.respond(await reader.readexactly(length), is_tcp=True) or b""
        writer.write(len(response).to_bytes(2, "big") + response)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def naming(records: Mapping[tuple[str, str], list[str]], *, ttl_s: int = 60) -> AsyncIterator[NameServer]:
    """Serve DNS over UDP and TCP on one port."""
    names = NameServer(records, ttl_s)
    server, transport = await _one_port(names)
    try:
        yield names
    finally:
        transport.close()
        server.close()
        await server.wait_closed()


async def _one_port(names: NameServer) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    """Listen on a port that is free for TCP and for UDP; something else may hold one half of it."""
    loop = asyncio.get_running_loop()
    while True:
        server = await asyncio.start_server(names.serve_tcp, "127.0.0.1", 0)
        names.port = server.sockets[0].getsockname()[1]
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: names, names.address, family=socket.AF_INET)
        except OSError:
            server.close()
            await server.wait_closed()
        else:
            return server, transport
