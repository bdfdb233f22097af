"""Read a Location header as the URL standard says, as browsers do (WHATWG URL, 4.4)."""

import re
from urllib.parse import unquote_to_bytes

import httpx

from monitoring.probes.net.address import literal

_AROUND = bytes(range(0x21))  # C0 controls and the blank
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL = ("http", "https")
_PARTS = re.compile(r"([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_DOT = re.compile("%2e", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x20#%/<>?@\\^|\x7f\ufffd]")  # in a host
_IN_PATH = re.compile(r"[\x00-\x20\"<>^`{|}\x7f]")
_IN_QUERY = re.compile(r"[\x00-\x20\"'<>\x7f]")


def read_location(value: bytes, base: httpx.URL) -> tuple[str, str | None]:
    """Return the URL that the header of a page means, and what was odd in it, in words.

    Raises `httpx.InvalidURL` for some URLs; the others httpx judges.
    """
    text = value.strip(_AROUND).replace(b"\t", b"").decode("latin-1")  # one character for each byte
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme and scheme not in _SPECIAL:
        return text, None
    parts = _PARTS.fullmatch(text[found.end() if found else 0 :])
    assert parts is not None
    path, query, fragment = (part or "" for part in parts.groups())
    plain = path.replace("\\", "/")
    authority, plain_path = _split(plain, scheme, base.scheme)
    if authority is None:
        plain_path, query = _resolved(plain_path, query, base)
    where = base.netloc.decode("ascii") if authority is None else _host(authority)
    rest = _escaped(_without_dots(plain_path), _IN_PATH) + _escaped(query, _IN_QUERY) + _escaped(fragment, _IN_PATH)
    return f"{scheme or base.scheme}://{where}{rest}", _oddity(value, has_backslash=plain != path)


def _split(path: str, scheme: str, own: str) -> tuple[str | None, str]:
    """Return the authority, or None for a path within the same one, and the path."""
    after = path.lstrip("/")
    if len(path) - len(after) < 2 and scheme in ("", own):
        return None, path
    authority, slash, rest = after.partition("/")
    return authority, slash + rest


def _resolved(path: str, query: str, base: httpx.URL) -> tuple[str, str]:
    """Return path and query of a reference within the authority of the page."""
    base_path, mark, base_query = base.raw_path.decode("ascii").partition("?")
    if not path:
        return base_path, query or mark + base_query
    return path if path.startswith("/") else base_path[: base_path.rfind("/") + 1] + path, query


def _without_dots(path: str) -> str:
    """Resolve the dots of a path, escaped ones as well; unlike the standard library, keep empty segments."""
    segments = path.split("/")[1:]
    kept: list[str] = []
    for number, segment in enumerate(segments, 1):
        dots = _DOT.sub(".", segment)
        if dots == "..":
            kept = kept[:-1]
        elif dots != ".":
            kept.append(segment)
        if dots in (".", "..") and number == len(segments):
            kept.append("")
    return "/" + "/".join(kept)


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
