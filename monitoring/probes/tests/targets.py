"""Local servers that answer a probe in any way a test wants."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Target:
    """A running server: where it listens and what it was asked."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", is_patient: bool = True
) -> AsyncIterator[Target]:
    """Serve each connection by a script; unless `is_patient`, without waiting for the request."""
    target = Target(port=0)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n") if is_patient else b""
            target.requests.append(head)
            await script(head, writer)
            writer.close()
            await writer.wait_closed()

    def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it was cancelled before it began
        tasks.add(task)

    server = await asyncio.start_server(start, host, 0, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):  # turns of the loop that closing takes
            await asyncio.sleep(0)


def says(answer: bytes) -> Script:
    """Answer with these bytes and close."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return script


def says_and_hangs(answer: bytes) -> Script:
    """Answer with these bytes, and never close."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await asyncio.Event().wait()

    return script


def says_forever(start: bytes, more: bytes) -> Script:
    """Answer, and go on as fast as the reader takes it."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()

    return script


def drips(answer: bytes, every_s: float) -> Script:
    """Answer a byte at a time."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        for index in range(len(answer)):
            writer.write(answer[index : index + 1])
            await asyncio.sleep(every_s)

    return script


def redirects(routes: dict[str, str], code: int = 302) -> Script:
    """Redirect the paths that are listed, and answer 200 elsewhere."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        path = request.split(b" ")[1].decode()
        if path in routes:
            writer.write(b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (code, routes[path].encode()))
        else:
            writer.write(OK)

    return script


def resets(request: bytes, writer: asyncio.StreamWriter) -> Awaitable[None]:
    """Break the connection instead of answering."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER of zero seconds: close sends RST
    writer.transport.abort()
    return asyncio.sleep(0)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
