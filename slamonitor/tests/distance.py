"""A network in between: a TCP proxy that hands everything on later than it came, in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from slamonitor.embedded.state_directory import CHECKOUT


@contextmanager
def far_away(port: int, delay_s: float) -> Iterator[int]:
    """Yield a port of the loopback behind which the other one answers; each way takes `delay_s` longer."""
    command = [sys.executable, "-m", "slamonitor.tests.distance", str(port), str(delay_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as proxy:
        assert proxy.stdout is not None
        yield int(proxy.stdout.readline())
        proxy.terminate()


async def serve(port: int, delay_s: float) -> None:
    """Listen on a free port of the loopback, say on which, and serve until standard input is closed."""
    server = await asyncio.start_server(lambda *client: _connect(client, port, delay_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _connect(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], port: int, delay_s: float) -> None:
    await asyncio.sleep(2 * delay_s)  # of the handshake
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_carry(client[0], writer, delay_s), _carry(reader, client[1], delay_s))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Write what is read in the same order, each piece `delay_s` after it came."""
    clock = asyncio.get_running_loop().time
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        piece = b"-"
        while piece:
            with suppress(ConnectionError):
                piece = await reader.read(65_536)
            await pieces.put((clock() + delay_s, piece))

    async def write() -> None:
        while True:
            at, piece = await pieces.get()
            await asyncio.sleep(max(0.0, at - clock()))
            if not piece:
                return writer.close()
            with suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()

    await asyncio.gather(read(), write())


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
