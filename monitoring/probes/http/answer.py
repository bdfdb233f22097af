"""Read one HTTP/1 answer within bounds, regardless of what the server sends."""

import httptools
import httpx

from monitoring.probes.failures import lost_words
from monitoring.probes.net.timeline import Hop, Stage

HEADER_BYTES = 64 * 1024  # all headers, those of interim answers included
HEADER_LINES = 200
INTERIM_ANSWERS = 10  # 1xx
BODY_BYTES = 1024 * 1024  # reading stops there, without a failure
BODY_PIECES = 4_096  # and there, as a body in chunks of one byte would cost a hundred times as much


class _EnoughRead(Exception):
    """Stop the parser in the middle of its input."""


class Answer:
    """The answer to one request as it arrives. `feed` it bytes until `is_complete`; call `close` when done.

    Raises `httpx.RemoteProtocolError` or `httpx.ReadError`, with a message, if the bytes are not an answer.
    """

    __slots__ = ("_head_bytes", "_header_bytes", "_hop", "_interim", "_parser", "_pieces", "_received", "body",
                 "body_bytes", "headers", "is_complete", "is_cut", "keep_body", "status_code")  # fmt: skip

    def __init__(self, hop: Hop, *, keep_body: bool = False) -> None:
        self.status_code = 0  # until the headers are complete
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()  # stays empty unless wanted: thousands of probes are in flight
        self.body_bytes = 0
        self.is_complete = False
        self.is_cut = False  # complete because of a bound: there was more
        self.keep_body = keep_body
        self._hop = hop
        self._interim = 0
        self._pieces = 0
        self._received = 0
        self._head_bytes = 0  # on the wire, roughly: what had come when the headers were complete
        self._header_bytes = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # As lenient as browsers: a server that they can read is not down.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_chunked_length=True, lenient_optional_cr_before_lf=True
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the wire."""
        if self._hop.stage is Stage.FIRST_BYTE:
            self._hop.enter(Stage.HEADERS)
        if self.is_complete or self._parser is None:
            return
        first = self._received == 0
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_complete = True
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, _EnoughRead):
                return
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            if self.is_complete:
                return  # garbage after the answer, which browsers ignore, too
            raise self._not_http(error, data if first else b"") from error
        self._stop_at_bounds()

    def feed_eof(self, error: Exception | None = None) -> None:
        """Take the end of the connection, which completes an answer without a length. Raises `httpx.ReadError`."""
        if self.is_complete:
            return
        if error is None and self.status_code and not self._announces_length():
            self.is_complete = True
            return
        raise httpx.ReadError(lost_words(error, self._hop))

    def cut(self) -> None:
        """Read no more: what came of a body is enough, what came of the headers is not."""
        if not self.status_code:
            raise httpx.RemoteProtocolError("headers of the answer came in thousands of pieces")
        self.is_cut = True
        self.is_complete = True

    def close(self) -> None:
        """Break the cycle between answer and parser, so that no garbage collection is needed."""
        self._parser = None

    # Callbacks of the parser. `feed` raises their exceptions.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status_code:
            self._count_piece()  # a trailer
            return
        if len(self.headers) >= HEADER_LINES:
            raise httpx.RemoteProtocolError(f"answer has more than {HEADER_LINES} header lines")
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES:
            raise _too_long()
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self.status_code:
            raise _EnoughRead  # a second answer without a request
        status_code = self._parser.get_status_code()
        if 100 <= status_code < 200 and status_code != 101:
            self._forget_interim()
            return
        self.status_code = self._hop.status_code = status_code
        self._head_bytes = self._received
        self._hop.enter(Stage.BODY)
        if self._hop.method == "HEAD" or status_code in (101, 204, 304):
            self.is_complete = True

    def on_body(self, data: bytes) -> None:
        if self.is_complete:
            return
        self._count_piece()
        self.body_bytes += len(data)
        if self.keep_body and len(self.body) < BODY_BYTES:
            self.body += data[: BODY_BYTES - len(self.body)]

    def on_message_complete(self) -> None:
        if self.status_code:
            self.is_complete = True

    def _count_piece(self) -> None:
        self._pieces += 1
        if self._pieces > BODY_PIECES:
            self.cut()
            raise _EnoughRead

    def _forget_interim(self) -> None:
        self._interim += 1
        self.headers.clear()
        if self._interim > INTERIM_ANSWERS:
            raise httpx.RemoteProtocolError(f"server sent more than {INTERIM_ANSWERS} interim (1xx) answers")

    def _stop_at_bounds(self) -> None:
        if not self.status_code and self._received > HEADER_BYTES:
            raise _too_long()
        # Counted on the wire, so that a body of nothing but chunk headers ends as well.
        if self.status_code and self._received - self._head_bytes >= BODY_BYTES:
            self.is_cut = self.is_cut or not self.is_complete
            self.is_complete = True

    def _announces_length(self) -> bool:
        return any(
            name.lower() == b"content-length" or (name.lower() == b"transfer-encoding" and b"chunked" in value.lower())
            for name, value in self.headers
        )

    def _not_http(self, error: Exception, start: bytes) -> httpx.RemoteProtocolError:
        if start.startswith((b"\x15\x03", b"\x16\x03")):
            return httpx.RemoteProtocolError("answer is TLS, not plain HTTP: is this an https address?")
        if self.status_code:
            return httpx.RemoteProtocolError(f"body of the answer is not valid HTTP: {error}")
        if self._parser is None or not self._parser.get_status_code():
            return httpx.RemoteProtocolError(f"answer is not HTTP: {error}")
        return httpx.RemoteProtocolError(f"headers of the answer are not valid HTTP: {error}")


def _too_long() -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"answer has more than {HEADER_BYTES // 1024} KiB of headers")
