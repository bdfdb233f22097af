"""Read a Location header as the URL standard says, as browsers do (WHATWG URL, 4.4)."""

import re
from urllib.parse import unquote_to_bytes

import httpx

from monitoring.probes.net.address import literal

_AROUND = bytes(range(0x21))  # C0 controls and the blank
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL = ("http", "https")
_PARTS = re.compile(r"([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_DOTS = re.compile(r"(?<=/)(?:\.|%2e){1,2}(?=/|$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x20#%/<>?@\\^|\x7f\ufffd]")  # in a host
_IN_PATH = re.compile(r"[\x00-\x20\"<>^`{|}\x7f]")
_IN_QUERY = re.compile(r"[\x00-\x20\"'<>\x7f]")


def read_location(value: bytes, scheme: str) -> tuple[str, str | None]:
    """Return a reference that means to httpx what the header means to a browser, and what was odd in it, in words.

    `scheme` is that of the page which redirects. Raises `httpx.InvalidURL` for some URLs; the others httpx judges.
    """
    text = value.strip(_AROUND).replace(b"\t", b"").decode("latin-1")  # one character for each byte
    found = _SCHEME.match(text)
    own = found[1].lower() if found else ""
    if own and own not in _SPECIAL:
        return text, None
    path, query, fragment = (part or "" for part in _PARTS.fullmatch(text[found.end() if found else 0 :]).groups())  # type: ignore[union-attr]
    plain = path.replace("\\", "/")
    authority, rest = _split(plain, own, scheme)
    rest = _DOTS.sub(lambda dots: dots[0].lower().replace("%2e", "."), rest)
    rest = _escaped(rest, _IN_PATH) + _escaped(query, _IN_QUERY) + _escaped(fragment, _IN_PATH)
    whole = rest if authority is None else f"{own or scheme}://{_host(authority)}{rest}"
    return whole, _oddity(value, has_backslash=plain != path)


def _split(path: str, own: str, scheme: str) -> tuple[str | None, str]:
    """Return the authority, or None for a reference within the same one, and the rest of the path."""
    after = path.lstrip("/")
    if len(path) - len(after) < 2 and own in ("", scheme):
        # A colon in the first segment would look like that of a scheme.
        return None, path if path.startswith("/") or ":" not in path.partition("/")[0] else f"./{path}"
    authority, slash, rest = after.partition("/")
    return authority, slash + rest


def _host(authority: str) -> str:
    """Return an authority with the characters that its bytes or escapes mean."""
    userinfo, at, host = authority.rpartition("@")
    host, colon, port = (host, "", "") if host.startswith("[") else host.partition(":")
    if port.strip("0123456789"):
        raise httpx.InvalidURL("port is not a number")
    host = unquote_to_bytes(host.encode("latin-1")).decode(errors="replace")
    if _FORBIDDEN.search(host):
        raise httpx.InvalidURL("host name is not valid")
    return _escaped(userinfo, _IN_PATH) + at + (literal(host) or host) + colon + port


def _escaped(text: str, unsafe: re.Pattern[str]) -> str:
    text = unsafe.sub(lambda found: f"%{ord(found[0]):02X}", text)
    if text.isascii():
        return text
    return "".join(each if each < "\x80" else f"%{ord(each):02X}" for each in text)


def _oddity(value: bytes, *, has_backslash: bool) -> str | None:
    if has_backslash:
        return "a backslash in the Location header"
    if any(byte < 0x20 or byte == 0x7F for byte in value):
        return "a control character in the Location header"
    if b" " in value:
        return "a blank in the Location header"
    return None
