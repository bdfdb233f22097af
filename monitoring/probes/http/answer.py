"""Read one HTTP/1 answer within bounds, regardless of what the server sends, as leniently as Chromium."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import httpx

from monitoring.probes.failures import lost_words
from monitoring.probes.http.chunks import Chunks
from monitoring.probes.http.content_type import read_content_type, values_of
from monitoring.probes.http.head import (
    CHUNKED,
    END,
    LAX_END,
    START,
    START_BYTES,
    UNTIL_CLOSED,
    Head,
    Header,
    body_length,
    read_head,
    shown,
)
from monitoring.probes.http.http_settings import REDIRECT_CODES
from monitoring.probes.net.timeline import Hop, Stage

HEADER_BYTES = 64 * 1024  # all headers, those of interim answers included
HEADER_LINES = 200
INTERIM_ANSWERS = 10  # 1xx
BODY_BYTES = 1024 * 1024  # reading stops there, without a failure
BODY_PIECES = 4_096  # and there, as a body in chunks of one byte would cost a hundred times as much
TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
# Of these the body has no end by design.
STREAMS = ("text/event-stream", "multipart/x-mixed-replace")
_STREAM = re.compile(rb"event-stream|x-mixed-replace", re.IGNORECASE)


class Reply(NamedTuple):
    """A complete answer. httpx's own type takes a tenth of a whole check to make."""

    url: httpx.URL  # that was asked
    status_code: int
    headers: Sequence[Header]
    content: bytes = b""  # unpacked; empty unless the body was kept
    is_cut: bool = False  # the body was longer than that


class Answer:
    """The answer to one request as it arrives. `feed` it bytes until `is_complete`; call `close` when done.

    Raises `httpx.RemoteProtocolError` or `httpx.ReadError`, with a message, if the bytes are not an answer. A redirect
    that `follows` is complete with its head, and so is any answer without `reads_body`.
    """

    __slots__ = ("_body_bytes", "_chunks", "_follows", "_head", "_head_bytes", "_hop", "_interim", "_left", "_pieces",
                 "_reads_body", "_scanned", "body", "forgiven", "headers", "is_complete", "is_cut", "keep_body",
                 "status_code")  # fmt: skip

    def __init__(self, hop: Hop, *, keep_body: bool = False, reads_body: bool = True, follows: bool = False) -> None:
        self.status_code = 0  # until the headers are complete
        self.headers: list[Header] = []
        self.body = bytearray()  # stays empty unless wanted: thousands of probes are in flight
        self.is_complete = False
        self.is_cut = False  # complete because of a bound: there was more
        self.keep_body = keep_body
        self.forgiven: list[str] = []  # where the server broke the rules, in words
        self._hop = hop
        self._reads_body = reads_body
        self._follows = follows
        self._head: bytearray | None = None  # the beginning of a head that came in several pieces
        self._scanned = 0
        self._head_bytes = 0  # of interim answers
        self._interim = 0
        self._chunks: Chunks | None = None
        self._left = UNTIL_CLOSED
        self._pieces = 0
        self._body_bytes = 0  # on the wire

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the wire."""
        if self._hop.stage is Stage.FIRST_BYTE:
            self._hop.enter(Stage.HEADERS)
        while not self.status_code and data:
            data = self._take_head(data)
        if data and not self.is_complete:
            self._take_body(data)

    def feed_eof(self, error: Exception | None = None) -> None:
        """Take the end of the connection, which completes an answer without a length. Raises `httpx.ReadError`."""
        if self.is_complete:
            return
        if error is None and self.status_code and self._chunks is None and self._left == UNTIL_CLOSED:
            self.is_complete = True
        elif error is None and self._head and not self.status_code:
            self._take_unended_head(bytes(self._head))
        else:
            raise httpx.ReadError(lost_words(error, self._hop))

    def cut(self) -> None:
        """Read no more: what came of a body is enough, what came of the headers is not."""
        if not self.status_code:
            raise httpx.RemoteProtocolError("headers of the answer came in thousands of pieces")
        self.is_cut = True
        self.is_complete = True

    def close(self) -> None:
        """Forget the beginning of a head."""
        self._head = None

    def _take_head(self, data: bytes) -> bytes:
        """Return what follows the head, if it is complete with these bytes; else keep them."""
        if self._head is not None:
            self._head += data
        whole: bytes | bytearray = data if self._head is None else self._head
        start = START.match(whole)
        if start is None and (len(whole) >= START_BYTES or whole.startswith(TLS_RECORDS)):
            raise _not_http(bytes(whole[:100]))
        end = END.search(whole, max(self._scanned, start.end())) if start else None
        if end is None or end.end() > HEADER_BYTES - self._head_bytes:
            self._check_bounds(whole)
            self._scanned = max(len(whole) - 2, 0)  # the end may begin there
            if self._head is None:
                self._head = bytearray(data)
            return b""
        head, rest = bytes(whole[: end.end()]), bytes(whole[end.end() :])
        if head.count(b"\n") > HEADER_LINES + 2:
            raise _too_many_lines()
        self._head, self._scanned = None, 0
        self._take(read_head(head), len(head))
        return rest

    def _check_bounds(self, whole: bytes | bytearray) -> None:
        if whole.count(b"\n") > HEADER_LINES + 2:
            raise _too_many_lines()
        if len(whole) + self._head_bytes > HEADER_BYTES:
            raise httpx.RemoteProtocolError(f"answer has more than {HEADER_BYTES // 1024} KiB of headers")

    def _take(self, head: Head, head_bytes: int) -> None:
        if 100 <= head.status_code < 200 and head.status_code != 101:
            self._head_bytes += head_bytes
            self._interim += 1
            if self._interim > INTERIM_ANSWERS:
                raise httpx.RemoteProtocolError(f"server sent more than {INTERIM_ANSWERS} interim (1xx) answers")
            return
        self.forgiven += head.forgiven
        self._left = body_length(head, self.forgiven)
        self.headers = head.headers
        self.status_code = self._hop.status_code = head.status_code
        self._hop.enter(Stage.BODY)
        if self._left == CHUNKED:
            self._chunks = Chunks(BODY_PIECES)
        self.is_complete = self._left == 0 or self._ends_with_head()

    def _ends_with_head(self) -> bool:
        if self._hop.method == "HEAD" or self.status_code in (101, 204, 205, 304):
            return True
        if self._follows and self.status_code in REDIRECT_CODES and location_of(self.headers):
            self.keep_body = False  # Browsers don't wait for the body of a redirect, however broken it is.
            return True
        if not self._reads_body:
            return True
        if not self.keep_body and (stream := _stream_of(self.headers)):
            self._hop.note(f"body not read: {stream} has no end")
            return True
        return False

    def _take_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._chunks is None:
            self._take_plain(data)
        else:
            self._take_chunks(data, self._chunks)
        # Counted on the wire, so that a body of nothing but chunk headers ends as well.
        if not self.is_complete and self._body_bytes >= BODY_BYTES:
            self.cut()

    def _take_plain(self, data: bytes) -> None:
        if self._left >= 0:
            data = data[: self._left]  # browsers, too, ignore what follows
            self._left -= len(data)
            self.is_complete = not self._left
        self._pieces += 1
        self._keep(data)
        if self._pieces > BODY_PIECES and not self.is_complete:
            self.cut()

    def _take_chunks(self, data: bytes, chunks: Chunks) -> None:
        for piece in chunks.feed(data):
            self._keep(piece)
        if chunks.is_complete:
            self.is_complete = True
            self.forgiven += chunks.forgiven
        elif chunks.is_over:
            self.cut()

    def _keep(self, data: bytes) -> None:
        if self.keep_body and len(self.body) < BODY_BYTES:
            self.body += data[: BODY_BYTES - len(self.body)]

    def _take_unended_head(self, data: bytes) -> None:
        """Take a head whose last line ends in CR CR LF, at the end of the connection.

        Chromium looks for the end of such a head in vain, and then shows an empty page; over TLS, an error.
        """
        if START.match(data) is None:
            raise _not_http(data)
        end = LAX_END.search(data)
        if end is None or self._hop.url.startswith("https:"):
            raise httpx.ReadError(lost_words(None, self._hop))
        self._take(read_head(data[: end.end()]), end.end())
        if not self.status_code:
            raise httpx.ReadError(lost_words(None, self._hop))
        self.forgiven.append("headers without an end, and so no body")
        self.is_complete = True


def location_of(headers: Sequence[Header]) -> bytes:
    """Return the Location, of which there are no two that differ; empty where there is none."""
    return next((value for name, value in headers if value and name.lower() == b"location"), b"")


def _stream_of(headers: Sequence[Header]) -> str:
    # Most answers are none, and reading the whole header would take ten times as long.
    if not any([_STREAM.search(value) for name, value in headers if name.lower() == b"content-type"]):
        return ""
    kind = read_content_type(values_of(headers)).kind
    return kind if kind in STREAMS else ""


def _not_http(start: bytes) -> httpx.RemoteProtocolError:
    if start.startswith(TLS_RECORDS):
        return httpx.RemoteProtocolError("answer is TLS, not plain HTTP: is this an https address?")
    return httpx.RemoteProtocolError(f'answer is not HTTP: it begins with "{shown(start.lstrip())}"')


def _too_many_lines() -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"answer has more than {HEADER_LINES} header lines")
