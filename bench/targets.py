"""A target that answers at once, in a separate process: it must not limit the measurement."""

import argparse
import asyncio
import ssl
import sys

import uvloop

HANGS = b"GET /hangs"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Target(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        # One small GET arrives in one piece.
        if data.startswith(HANGS):
            return  # until the client gives up
        self.transport.write(ANSWER)
        self.transport.close()


async def serve(context: ssl.SSLContext | None) -> None:
    """Listen on a free port of the loopback, and print the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, "127.0.0.1", 0, backlog=4096, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with its parent, which closes its standard input then.
    await loop.run_in_executor(None, sys.stdin.read)


def tls(path: str) -> ssl.SSLContext:
    """Read key and certificates from a PEM file. Every connection needs a full handshake: no session tickets."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    context.num_tickets = 0
    return context


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", type=tls, help="key and certificates (PEM)")
    uvloop.run(serve(parser.parse_args().tls))
