"""The head of an HTTP/1 answer: read in one go where it keeps to the rules, else as leniently as Chromium does."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import httpx

from monitoring.probes.failures import printable

Header = tuple[bytes, bytes]

END = re.compile(rb"\n\r?\n")  # in Chromium, too, more than one CR before the last LF does not end a head
LAX_END = re.compile(rb"\n\r+\n")
START = re.compile(rb"[\s\S]{0,4}?(?:HTTP|ICY )", re.IGNORECASE)  # Chromium skips up to four bytes before it
START_BYTES = 8  # with so many there is a start, or never will be

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # RFC 9110, 5.6.2
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*+)?\r\n")
_LINE = re.compile(rb"\n(" + _TOKEN + rb"):[ \t]*+([^\r\n]*+)\r(?=\n)")
_NAME = re.compile(_TOKEN)
_LAX_STATUS = re.compile(rb"(?:HTTP/([0-9](?:\.[0-9])?)|ICY) +([1-9][0-9]{2})(?![0-9])", re.IGNORECASE)
_LINE_ENDS = re.compile(rb"[\r\n]+")
_NUMBER = re.compile(rb"0*([0-9]{1,19})")
LARGEST = 2**63 - 1
CHUNKED = -1
UNTIL_CLOSED = -2
# Of these a second one that differs is an attack for Chromium, whatever the status.
_ONE_ONLY = (b"location", b"content-disposition")
_FRAMING = frozenset((b"content-length", b"transfer-encoding", *_ONE_ONLY))


class Head(NamedTuple):
    """The status line and headers of an answer."""

    status_code: int
    is_1_0: bool  # or older: no chunks
    headers: list[Header]
    forgiven: tuple[str, ...] = ()  # where the server broke the rules, in words


def read_head(data: bytes) -> Head:
    """Read a complete head, with its empty line. Raises `httpx.RemoteProtocolError`."""
    status = _STATUS.match(data)
    lines = data.count(b"\n")
    if status is None or data.count(b"\r") != lines or b"\0" in data:
        return _read_leniently(data)
    headers = _LINE.findall(data, status.end() - 1)
    if len(headers) != lines - 2:
        return _read_leniently(data)
    if b" \r" in data or b"\t\r" in data:  # RFC 9110, 5.5: not part of the value
        headers = [(name, value.rstrip(b" \t")) for name, value in headers]
    return Head(int(status[2]), status[1] == b"0", headers)


def _read_leniently(data: bytes) -> Head:
    start = START.match(data)
    before = 0 if start is None else len(start[0]) - 4
    status_line, *lines = _LINE_ENDS.split(data[before:])
    found = _LAX_STATUS.match(status_line)
    if found is None:
        raise httpx.RemoteProtocolError(f'answer is not HTTP: it begins with "{shown(data.lstrip())}"')
    if b"\0" in data:
        raise httpx.RemoteProtocolError("headers of the answer are not valid HTTP: there is a NUL in them")
    forgiven = list(_oddities(data, before, status_line))
    headers: list[Header] = []
    for line in _unfolded(lines, forgiven):
        _take_line(line, headers, forgiven)
    return Head(int(found[2]), (found[1] or b"1.0") < b"1.1", headers, tuple(dict.fromkeys(forgiven)))


def _oddities(data: bytes, before: int, status_line: bytes) -> Iterator[str]:
    if before:
        yield "bytes before the status line"
    if re.match(rb"HTTP/1\.[01] [1-9][0-9]{2}(?: |$)", status_line) is None:
        yield f'status line "{shown(status_line)}"'
    if data.count(b"\n") != data.count(b"\r\n"):
        yield "lines that end in LF alone"
    if data.count(b"\r") != data.count(b"\r\n"):
        yield "lines that end in CR CR LF, or in CR alone"


def _unfolded(lines: list[bytes], forgiven: list[str]) -> list[bytes]:
    whole: list[bytes] = []
    for line in filter(None, lines):
        if line[:1] not in (b" ", b"\t"):
            whole.append(line)
            continue
        forgiven.append("a header folded into several lines")
        if whole:
            whole[-1] += b" " + line.strip(b" \t")
    return whole


def _take_line(line: bytes, headers: list[Header], forgiven: list[str]) -> None:
    name, colon, value = line.partition(b":")
    if name[-1:] in (b" ", b"\t"):
        name = name.rstrip(b" \t")
        if colon:
            forgiven.append("a blank before the colon of a header")
    if colon and _NAME.fullmatch(name):
        headers.append((name, value.strip(b" \t")))
    else:
        forgiven.append("a header line without a name")


def body_length(head: Head, forgiven: list[str]) -> int:
    """Return the length of the body in bytes, or `CHUNKED`, or `UNTIL_CLOSED`. Raises `httpx.RemoteProtocolError`."""
    lengths: list[bytes] = []
    once: dict[bytes, bytes] = {}
    is_chunked = False
    for name, value in head.headers:
        lower = name.lower()
        if lower not in _FRAMING:
            continue
        if lower == b"content-length":
            lengths += value.split(b",")
        elif lower == b"transfer-encoding":
            is_chunked = is_chunked or b"chunked" in [each.strip(b" \t") for each in value.lower().split(b",")]
        elif once.setdefault(lower, value) != value:
            raise httpx.RemoteProtocolError(f"answer has several {shown(name)} headers that differ")
    if is_chunked and not head.is_1_0:
        return CHUNKED
    return _announced(lengths, forgiven) if lengths else UNTIL_CLOSED


def _announced(lengths: list[bytes], forgiven: list[str]) -> int:
    length = lengths[0].strip(b" \t")
    if len(lengths) > 1:
        if any(each.strip(b" \t") != length for each in lengths):
            raise httpx.RemoteProtocolError("headers of the answer are not valid HTTP: Content-Length values differ")
        forgiven.append("the same Content-Length several times")
    number = _NUMBER.fullmatch(length)
    if number is None or int(number[1]) > LARGEST:
        forgiven.append(f'a Content-Length that is not a number ("{shown(length)}")')
        return UNTIL_CLOSED
    return int(number[1])


def shown(data: bytes) -> str:
    """Return the beginning of what a server sent, for a message."""
    return printable(data[:41].decode("latin-1"), 40)
