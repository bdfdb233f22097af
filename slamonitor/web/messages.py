"""HTTP/1.1: the attributes of a request, and the bytes of a response."""

import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from http.client import responses as PHRASES
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from slamonitor.web.pools import Kind

Headers = Sequence[tuple[str, str]]

BODILESS = ("204", "304")
TOGETHER_BYTES = 65_536  # head and body of up to this size are written in one call


class Request:
    """A request that is being read, or is complete."""

    __slots__ = (
        *("body", "header_bytes", "headers", "held_bytes", "is_headed", "keep_alive", "kind", "meta"),
        *("unheaded_bytes", "url"),
    )

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}  # variables of the WSGI environment that are known so far
        self.url = b""
        self.headers = self.header_bytes = 0  # number, and total length
        self.is_headed = False  # True once the headers are complete
        self.unheaded_bytes = 0  # read before that
        self.body = bytearray()
        self.kind: Kind | None = None  # if it may have a body
        self.held_bytes = 0  # counted by the server
        self.keep_alive = True


class Response(NamedTuple):
    """A response; `status` as in WSGI, for example `200 OK`."""

    status: str
    headers: Headers
    body: bytes


def written(response: Response, *, is_head: bool, keep_alive: bool, is_old: bool) -> tuple[bytes, bytes]:
    """Return head and body. An HTTP/1.0 client must be told if the connection stays open."""
    status, headers, body = response
    is_bodiless = status.startswith(BODILESS)
    lines = _lines(status, headers) if isinstance(headers, tuple) else _lines.__wrapped__(status, headers)
    if not is_bodiless and b"\r\nContent-Length: " not in lines:
        lines += b"Content-Length: %d\r\n" % len(body)
    connection = (b"Connection: keep-alive\r\n" if is_old else b"") if keep_alive else b"Connection: close\r\n"
    return b"%bDate: %b\r\n%b\r\n" % (
        lines,
        _date(int(time.time())),
        connection,
    ), b"" if is_head or is_bodiless else body


@lru_cache(maxsize=64)
def _lines(status: str, headers: Headers) -> bytes:
    """Return status line and headers. They are cached, as thousands of visitors get the same ones."""
    return "".join([f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in headers)]).encode("latin-1")


def status_line(code: int) -> str:
    return f"{code} {PHRASES.get(code, 'Unknown')}"


@lru_cache(maxsize=1024)
def meta_name(header: bytes) -> str | None:
    """Return the WSGI variable of a header, or None if it is ambiguous: `X_Y` would become the variable of `X-Y`."""
    name = header.decode("latin-1").upper()
    if not name.replace("-", "").isalnum():
        return None
    name = name.replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def split_url(url: bytes) -> tuple[str, str]:
    """Return path and query as in WSGI. Raises ValueError for a target that is not a URL of this server."""
    if url == b"/":  # the most frequent one
        return "/", ""
    text = url.decode("latin-1")
    if not text.startswith("/"):
        parts = urlsplit(text)  # proxies may send the absolute form
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{text[:100]!r} is not an address")
        text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path, _, query = text.partition("#")[0].partition("?")
    return (unquote_to_bytes(path).decode("latin-1") if "%" in path else path), query


def environ_of(meta: Mapping[str, Any], body: bytes, *, stderr: Any) -> dict[str, Any]:
    """Return the WSGI environment of a complete request."""
    return {
        **meta,
        "SCRIPT_NAME": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def run(application: Any, environ: dict[str, Any]) -> Response:
    """Call a WSGI application and return its whole response."""
    begun: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        begun[:] = [status, headers]

    result = application(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Response(begun[0], begun[1], body)


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
