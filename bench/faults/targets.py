"""A target that fails and recovers on command, in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import uvloop

from slamonitor.embedded.state_directory import CHECKOUT

FORM = "HTTP/1.1 {}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ANSWERS = {"answer": FORM.format("200 OK").encode(), "fail": FORM.format("503 Service Unavailable").encode()}


class Switched:
    """The target as seen by the process that switches it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url

    def tell(self, word: str) -> None:
        """Make it `fail`, or `answer` again, from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


@contextmanager
def switched() -> Iterator[Switched]:
    command = [sys.executable, "-m", "bench.faults.targets"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        yield Switched(process, f"http://127.0.0.1:{process.stdout.readline().strip()}")
        process.terminate()


class Target(asyncio.Protocol):
    answer: ClassVar[bytes] = ANSWERS["answer"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(Target.answer)
        self.transport.close()


def listen_to_orders() -> None:
    for line in sys.stdin:
        Target.answer = ANSWERS[line.strip()]


async def serve() -> None:
    """Listen on a free port of the loopback, print the port, and follow commands until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, listen_to_orders)


if __name__ == "__main__":
    uvloop.run(serve())
