"""The targets of the demonstration: a small server on loopback, whose paths behave differently.

python -m slamonitor.demo.targets PORT TIME_ZONE
"""

import asyncio
import contextlib
import sys
from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from slamonitor.demo.behaviours import Answer, Kind, answer

HEAD_BYTES = 16_384


class Targets:
    """A server that responds to each path with its behaviour at that moment."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one request and close the connection, unless the client has closed it first."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = self._find(head)
            await asyncio.sleep(found.latency_ms / 1000)
            writer.write(_response(found.status))
            await writer.drain()
        writer.close()

    def _find(self, head: bytes) -> Answer:
        path = head.split(b" ", 2)[1].decode("ascii", "replace") if head.count(b" ") >= 2 else ""
        try:
            kind = Kind(path.strip("/"))
        except ValueError:
            return Answer(HTTPStatus.NOT_FOUND, 0.0)
        return answer(kind, datetime.now(self._zone))


def _response(status: HTTPStatus) -> bytes:
    body = f"{status.phrase}\n".encode()
    head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


async def serve(port: int, zone: ZoneInfo) -> None:
    """Listen on a port of the loopback interface until cancelled."""
    server = await asyncio.start_server(Targets(zone).serve, "127.0.0.1", port, limit=HEAD_BYTES)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), ZoneInfo(sys.argv[2])))
