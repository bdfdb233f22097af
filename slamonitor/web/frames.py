"""The frames between front and back process. Each has a number, a head and a body."""

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

HEADER = struct.Struct("!QII")  # number, length of the head, length of the body
PING = 0  # the number of frames that only show that the sender is alive
READ_BYTES = 262_144


class Frame(NamedTuple):
    """A request, or the response with the same number. The head is JSON."""

    number: int
    head: Any
    body: bytes


def packed(number: int, head: Any = None, body: bytes | bytearray = b"") -> bytes:
    """Return a frame as bytes."""
    head_bytes = json.dumps(head, separators=(",", ":")).encode()
    return b"".join((HEADER.pack(number, len(head_bytes), len(body)), head_bytes, body))


class Unpacker:
    """Reassemble frames from the pieces of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Add a piece and yield the frames that it completes."""
        self._data += piece
        begin = 0
        while (body_at := self._body_at(begin)) is not None:
            number, _, body_bytes = HEADER.unpack_from(self._data, begin)
            end = body_at + body_bytes
            if len(self._data) < end:
                break
            head = json.loads(self._data[begin + HEADER.size : body_at])
            yield Frame(number, head, bytes(self._data[body_at:end]))
            begin = end
        del self._data[:begin]

    def _body_at(self, begin: int) -> int | None:
        """Return the offset of the next frame's body, or None while its header is incomplete."""
        if len(self._data) < begin + HEADER.size:
            return None
        _, head_bytes, _ = HEADER.unpack_from(self._data, begin)
        return begin + HEADER.size + int(head_bytes)
