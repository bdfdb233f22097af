"""Decompress a body within bounds, as a small answer may decompress to gigabytes."""

import zlib
from typing import NamedTuple

import httpx

from monitoring.probes.http.answer import BODY_BYTES

ACCEPT_ENCODING = "gzip, deflate"
LAYERS = 3
MEMBERS = 64  # of a gzip stream; thousands of empty ones would cost seconds
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Content(NamedTuple):
    """A decompressed body, or the beginning of it."""

    data: bytes
    is_cut: bool


def decode(body: bytes, content_encoding: str, limit: int = BODY_BYTES) -> Content:
    """Return at most `limit` bytes of the content. Raises `httpx.DecodingError`.

    Of a truncated body, as much as possible is returned.
    """
    is_cut = False
    encodings = [name for name in content_encoding.lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if len(encodings) > LAYERS:
        raise httpx.DecodingError(f"body of the answer is packed {len(encodings)} times over")
    for encoding in reversed(encodings):
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise httpx.DecodingError(
                f"body of the answer is packed in a way that we did not ask for ({encoding[:20]})"
            )
        body, is_short = _inflate(body, limit, encoding)
        is_cut = is_cut or is_short
    return Content(body[:limit], is_cut or len(body) > limit)


def _inflate(body: bytes, limit: int, encoding: str) -> Content:
    out, members = bytearray(), 0
    while body and len(out) < limit and members < MEMBERS:
        members += 1
        # Some servers mean the raw form by "deflate" (RFC 9110, 8.4.1.2), which cannot be told beforehand.
        unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            out += unpacker.decompress(body, limit - len(out))
        except zlib.error as error:
            if out:
                return Content(bytes(out), False)  # garbage after a complete member, which browsers ignore, too
            if encoding != "deflate":
                raise httpx.DecodingError(f"body of the answer says {encoding} but cannot be unpacked") from error
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                out += unpacker.decompress(body, limit)
            except zlib.error:
                raise httpx.DecodingError(f"body of the answer says {encoding} but cannot be unpacked") from error
        # gzip may come in several members. A full `out` may hide that nothing was left; saying "cut" then is safe.
        body = unpacker.unused_data or unpacker.unconsumed_tail
    return Content(bytes(out), bool(body))
