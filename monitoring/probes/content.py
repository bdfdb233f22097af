"""Unpack a body, bounded: a small answer may unpack to gigabytes."""

import zlib

import httpx

from monitoring.probes.answer import BODY_BYTES

ACCEPT_ENCODING = "gzip, deflate"
LAYERS = 3
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def decode(body: bytes, content_encoding: str, limit: int = BODY_BYTES) -> bytes:
    """Return at most `limit` bytes of the content. Raises `httpx.DecodingError`.

    A body that was cut gives what can be had of it.
    """
    encodings = [name for name in content_encoding.lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if len(encodings) > LAYERS:
        raise httpx.DecodingError(f"body of the answer is packed {len(encodings)} times over")
    for encoding in reversed(encodings):
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise httpx.DecodingError(
                f"body of the answer is packed in a way that we did not ask for ({encoding[:20]})"
            )
        body = _inflate(body, limit, encoding)
    return body[:limit]


def _inflate(body: bytes, limit: int, encoding: str) -> bytes:
    out = bytearray()
    while body and len(out) < limit:
        # Some servers mean the raw form by "deflate" (RFC 9110, 8.4.1.2), which cannot be told beforehand.
        unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            out += unpacker.decompress(body, limit - len(out))
        except zlib.error as error:
            if out:
                break  # rubbish after a complete member, which browsers ignore too
            if encoding != "deflate":
                raise httpx.DecodingError(f"body of the answer says {encoding} but cannot be unpacked") from error
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                out += unpacker.decompress(body, limit)
            except zlib.error:
                raise httpx.DecodingError(f"body of the answer says {encoding} but cannot be unpacked") from error
        body = unpacker.unused_data  # gzip may come in several members
    return bytes(out)
