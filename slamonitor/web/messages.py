"""HTTP/1.1 as bytes: what a request says, and how an answer is written."""

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
TOGETHER_BYTES = 65_536  # up to which head and body are joined for one write


class Request:
    """One that is being read, or was."""

    __slots__ = (
        *("body", "header_bytes", "headers", "held_bytes", "is_headed", "keep_alive", "kind", "meta"),
        *("unheaded_bytes", "url"),
    )

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}  # the beginning of a WSGI environment
        self.url = b""
        self.headers = self.header_bytes = 0  # how many, and how long
        self.is_headed = False  # its headers are complete
        self.unheaded_bytes = 0  # read while they were not
        self.body = bytearray()
        self.kind: Kind | None = None  # if it may have a body
        self.held_bytes = 0  # counted by the server
        self.keep_alive = True


class Response(NamedTuple):
    """An answer: `status` as WSGI writes it, `200 OK`."""

    status: str
    headers: Headers
    body: bytes


def written(response: Response, *, is_head: bool, keep_alive: bool, is_old: bool) -> tuple[bytes, bytes]:
    """Return head and body. An old client, of HTTP/1.0, must be told that the connection stays open."""
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
    """Write the first lines of an answer. Those of the page are the same for thousands of visitors."""
    return "".join([f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in headers)]).encode("latin-1")


def status_line(code: int) -> str:
    return f"{code} {PHRASES.get(code, 'Unknown')}"


@lru_cache(maxsize=1024)
def meta_name(header: bytes) -> str | None:
    """Return a header's name as WSGI has it; None for one that would be mistaken for another, as `X_Y` for `X-Y`."""
    name = header.decode("latin-1").upper()
    if not name.replace("-", "").isalnum():
        return None
    name = name.replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def split_url(url: bytes) -> tuple[str, str]:
    """Return path and query as WSGI has them. Raises ValueError for what is no address of ours."""
    if url == b"/":  # most are
        return "/", ""
    text = url.decode("latin-1")
    if not text.startswith("/"):
        parts = urlsplit(text)  # a proxy's form: the whole address
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
    """Call a WSGI application and gather its whole answer."""
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
