"""Decompress a body within bounds, as a small answer may decompress to gigabytes."""

import re
import zlib
from typing import NamedTuple

import httpx

from monitoring.probes.failures import printable
from monitoring.probes.http.answer import BODY_BYTES

ACCEPT_ENCODING = "gzip, deflate"
LAYERS = 3
# Browsers unpack some of these; the others really pack, too. All other names pack nothing, such as `utf-8`.
PACKINGS = frozenset(
    ("gzip", "x-gzip", "deflate", "br", "zstd", "dcb", "dcz", "compress", "x-compress", "exi", "pack200-gzip")
)
MEMBERS = 64  # of a gzip stream; thousands of empty ones would cost seconds
_GZIP = zlib.MAX_WBITS | 16
_NEVER = re.compile(r'["=;*]|[^, \t][ \t]+[^, \t]')  # Chromium refuses answers with these in Content-Encoding


class Content(NamedTuple):
    """A decompressed body, or the beginning of it."""

    data: bytes
    is_cut: bool


def decode(body: bytes, content_encoding: str, limit: int = BODY_BYTES) -> Content:
    """Return at most `limit` bytes of the content. Raises `httpx.DecodingError`.

    Of a truncated body, as much as possible is returned.
    """
    is_cut = False
    encodings = _encodings(content_encoding)
    if _NEVER.search(content_encoding) or not (PACKINGS.isdisjoint(encodings) or set(encodings) <= PACKINGS):
        raise httpx.DecodingError(f'Content-Encoding of the answer is not valid: "{printable(content_encoding, 40)}"')
    if PACKINGS.isdisjoint(encodings):
        encodings = []
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


def not_packing(content_encoding: str) -> str:
    """Return the names in a Content-Encoding that stand for no encoding, for a message; empty where there are none."""
    names = [name for name in _encodings(content_encoding) if name not in PACKINGS and name not in ("", "identity")]
    return printable(", ".join(names), 40)


def _encodings(content_encoding: str) -> list[str]:
    return [name.strip(" \t") for name in content_encoding.lower().split(",")] if content_encoding.strip(" \t") else []


def _inflate(body: bytes, limit: int, encoding: str) -> Content:
    out, members = bytearray(), 0
    while body and len(out) < limit and members < MEMBERS:
        members += 1
        # Some servers mean the raw form by "deflate" (RFC 9110, 8.4.1.2), which cannot be told beforehand.
        unpacker = zlib.decompressobj(zlib.MAX_WBITS if encoding == "deflate" else _GZIP)
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
