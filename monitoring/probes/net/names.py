"""Parse addresses, with host names in every spelling that a browser accepts.

A browser maps names by UTS 46 (`Bücher`, `ｅｘａｍｐｌｅ`, `例え。テスト`) and doesn't care whether IDNA 2008 allows a
character: emoji are names to it. httpx refuses them, and cannot show an `xn--` name that stands for one.
"""

import re
from urllib.parse import unquote_to_bytes

import httpx
import idna

_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#\\]*)")
_HOST = re.compile(r"(?:.*@)?([^@:\[\]]+)(?::[0-9]*)?", re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]")  # WHATWG URL, "forbidden domain code point"
_JOINERS = "\u200c\u200d"


def parse_url(text: str) -> httpx.URL:
    """Return a URL whose host is ASCII. Raises `httpx.InvalidURL`."""
    try:
        url = httpx.URL(_with_ascii_host(text))
    except UnicodeError as error:  # of the idna library
        raise httpx.InvalidURL(f"host name is not valid: {error}") from error
    if b"%" in url.raw_host:  # httpx escapes what no name may contain
        raise httpx.InvalidURL(f"host name is not valid: {url.raw_host.decode()}")
    return url


def to_ascii(host: str) -> str:
    """Return a host name as DNS knows it: `☕.example` is `xn--53h.example`. Raises `httpx.InvalidURL`."""
    try:
        mapped = idna.uts46_remap(unquote_to_bytes(host).decode(), std3_rules=False, transitional=False)
        name = ".".join(map(_label, mapped.split(".")))
    except UnicodeError as error:
        raise httpx.InvalidURL(f"host name is not valid: {error}") from error
    if found := _FORBIDDEN.search(name):
        raise httpx.InvalidURL(f"host name is not valid: it contains {found[0]!r}")
    return name


def _with_ascii_host(text: str) -> str:
    if text.isascii() and "%" not in text:
        return text
    authority = _AUTHORITY.match(text)
    host = authority and _HOST.fullmatch(authority[1])
    if not authority or not host or (host[1].isascii() and "%" not in host[1]):
        return text
    start = authority.start(1)
    return text[: start + host.start(1)] + to_ascii(host[1]) + text[start + host.end(1) :]


def _label(label: str) -> str:
    """Encode one mapped label. Raises `UnicodeError` for one that could be shown in a misleading way."""
    if label.isascii():
        return label
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    for position, character in enumerate(label):
        if character in _JOINERS and not idna.valid_contextj(label, position):
            raise UnicodeError(f"a joiner at position {position + 1} of {label!r} joins nothing")
    return f"xn--{label.encode('punycode').decode('ascii')}"
