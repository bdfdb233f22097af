"""A body in chunks (RFC 9112, 7.1), as leniently as Chromium reads it."""

import re

import httpx

from monitoring.probes.failures import printable

LINE_BYTES = 16 * 1024  # of a chunk's size with its extensions, or of a trailer
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_USUAL = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_AFTER_DATA, _SIZE_LINE, _TRAILER = range(3)


class Chunks:
    """Take the chunks apart as they arrive, at most `most` pieces of them."""

    __slots__ = ("_left", "_most", "_pieces", "_rest", "_state", "forgiven", "is_complete", "is_over")

    def __init__(self, most: int) -> None:
        self.is_complete = False
        self.is_over = False  # there were too many pieces
        self.forgiven: dict[str, None] = {}  # used as an ordered set
        self._most = most
        self._pieces = 0
        self._left = 0  # of the data of the present chunk
        self._rest = b""  # the beginning of a line
        self._state = _SIZE_LINE

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pieces of the body in the next bytes. Raises `httpx.RemoteProtocolError`."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        found: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.is_complete and not self.is_over:
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                found.append(piece)
                self._count()
                continue
            if self._state == _SIZE_LINE and (usual := _USUAL.match(data, at)):
                end = usual.end() + int(usual[1], 16)
                if usual.end() < end and data[end : end + 2] == b"\r\n":
                    found.append(data[usual.end() : end])
                    at = end + 2
                    self._count()
                    continue
            end = data.find(b"\n", at)
            if (size if end < 0 else end) - at > LINE_BYTES:
                raise _fault(f"a line between its chunks is longer than {LINE_BYTES // 1024} KiB")
            if end < 0:
                self._rest = data[at:]
                break
            self._take_line(data[at:end])
            at = end + 1
        return found

    def _take_line(self, line: bytes) -> None:
        if line[-1:] == b"\r":
            line = line[:-1]
        else:
            self.forgiven["lines between chunks that end in LF alone"] = None
        if self._state == _SIZE_LINE:
            self._take_size(line)
        elif self._state == _AFTER_DATA:
            if line:
                raise _fault("a chunk is longer than its size says")
            self._state = _SIZE_LINE
        elif line:
            self._count()
        else:
            self.is_complete = True

    def _take_size(self, line: bytes) -> None:
        size, semicolon, _ = line.partition(b";")
        trimmed = size.rstrip(b" ")
        number = trimmed.lstrip(b"0") or trimmed[-1:]
        if _SIZE.fullmatch(number) is None:
            raise _fault(f'the size of a chunk is "{printable(line[:41].decode("latin-1"), 40)}"')
        if len(trimmed) < len(size) and not semicolon:
            self.forgiven["blanks after the size of a chunk"] = None
        self._left = int(number, 16)
        self._state = _AFTER_DATA if self._left else _TRAILER

    def _count(self) -> None:
        self._pieces += 1
        self.is_over = self._pieces >= self._most


def _fault(what: str) -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"body of the answer is not valid HTTP: {what}")
