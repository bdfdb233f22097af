"""The cookies of one check (RFC 6265bis): kept over its redirects as a browser would, and thrown away after it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from monitoring.probes.net.address import literal

MOST = 180
PAIR_BYTES = 4096  # of name and value; a longer cookie is refused
ATTRIBUTE_BYTES = 1024  # a longer attribute is ignored
LONGEST_S = 400 * 86_400

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DELIMITERS = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D.*)?")
_DAY = re.compile(r"(\d{1,2})(?:\D.*)?")
_YEAR = re.compile(r"(\d{2,4})(?:\D.*)?")
# Registries below which anybody can have a name. Browsers know thousands; here only the usual forms of countries.
_REGISTRY = re.compile(
    r"(?:ac|co|com|edu|gob|gov|gouv|go|govt|gv|ltd|me|mil|ne|net|nom|or|org|plc|re|pe|sch)\.[a-z]{2}"
)


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that was accepted."""

    name: bytes
    value: bytes
    host: str
    is_host_only: bool
    path: str
    is_secure: bool
    expires_at_s: float  # Unix time

    @property
    def key(self) -> tuple[bytes, str, bool, str]:
        return self.name, self.host, self.is_host_only, self.path


class Jar:
    """The cookies of one check."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, str, bool, str], Cookie] = {}

    def keep(self, url: httpx.URL, lines: list[bytes], now_s: float) -> None:
        """Take the Set-Cookie headers of an answer."""
        for line in lines:
            cookie = read_cookie(line, url, now_s)
            if cookie is None or self._would_hide_secure(cookie, url):
                continue
            self._kept.pop(cookie.key, None)
            if cookie.expires_at_s > now_s and len(self._kept) < MOST:
                self._kept[cookie.key] = cookie

    def header(self, url: httpx.URL, now_s: float) -> bytes:
        """Return the value of the Cookie header for a request; empty where there is no cookie for it."""
        if not self._kept:
            return b""
        host, path, is_secure = _host(url), url.raw_path.partition(b"?")[0].decode("ascii"), _is_secure(url)
        found = [
            cookie
            for cookie in self._kept.values()
            if (cookie.host == host or (not cookie.is_host_only and _is_below(host, cookie.host)))
            and _covers(cookie.path, path)
            and (is_secure or not cookie.is_secure)
            and cookie.expires_at_s > now_s
        ]
        found.sort(key=lambda cookie: -len(cookie.path))  # stable: of equal paths the older cookie comes first
        return b"; ".join(cookie.name + b"=" + cookie.value if cookie.name else cookie.value for cookie in found)

    def _would_hide_secure(self, cookie: Cookie, url: httpx.URL) -> bool:
        """Return whether an insecure page would shadow a cookie that was set by a secure one (5.7, step 16)."""
        return not (cookie.is_secure or _is_secure(url)) and any(
            kept.is_secure
            and kept.name == cookie.name
            and (kept.host == cookie.host or _is_below(kept.host, cookie.host) or _is_below(cookie.host, kept.host))
            and _covers(kept.path, cookie.path)
            for kept in self._kept.values()
        )


def set_cookies(headers: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the values of the Set-Cookie headers."""
    return [value for name, value in headers if name.lower() == b"set-cookie"]


def read_cookie(line: bytes, url: httpx.URL, now_s: float) -> Cookie | None:
    """Return the cookie of a Set-Cookie header, or None if a browser would refuse it. One that has expired counts."""
    if _CONTROL.search(line):
        return None
    pair, *parts = line.split(b";")
    name, equals, value = (each.strip(b" \t") for each in pair.partition(b"="))
    if not equals:
        name, value = b"", name
    if b"\t" in pair.strip(b" \t") or not (name or value) or len(name) + len(value) > PAIR_BYTES:
        return None
    attributes = dict(_attribute(part) for part in parts)  # of several the last counts
    is_secure, is_http_only = "secure" in attributes, "httponly" in attributes
    host = _host(url)
    domain = attributes.get("domain", "").removeprefix(".").lower()
    if domain and not _may_set(domain, host):
        return None
    if is_secure and not _is_secure(url):
        return None
    if not is_secure and (attributes.get("samesite", "").lower() == "none" or "partitioned" in attributes):
        return None
    path = attributes.get("path", "")
    is_whole_host = not domain and path == "/"
    if not _keeps_its_promise(
        name or value, is_secure=is_secure, is_http_only=is_http_only, is_whole_host=is_whole_host
    ):
        return None
    path = path if path.startswith("/") else _default_path(url)
    return Cookie(name, value, domain or host, not domain, path, is_secure, _expiry(attributes, now_s))


def _attribute(part: bytes) -> tuple[str, str]:
    name, _, value = part.partition(b"=")
    text = value.strip(b" \t").decode("latin-1")
    return name.strip(b" \t").lower().decode("latin-1"), text if len(text) <= ATTRIBUTE_BYTES else ""


def _may_set(domain: str, host: str) -> bool:
    if domain == host:
        return True
    return _is_below(host, domain) and "." in domain.strip(".") and _REGISTRY.fullmatch(domain) is None


def _is_below(host: str, domain: str) -> bool:
    return host.endswith(f".{domain}") and literal(host) is None


def _covers(prefix: str, path: str) -> bool:
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))


def _default_path(url: httpx.URL) -> str:
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    return path[: path.rfind("/")] or "/"


def _keeps_its_promise(name: bytes, *, is_secure: bool, is_http_only: bool, is_whole_host: bool) -> bool:
    """Return whether a cookie is what the prefix of its name promises, such as `__Host-`; a nameless one, too."""
    lower = name.lower()
    if lower.startswith((b"__http-", b"__host-http-")) and not is_http_only:
        return False
    if lower.startswith(b"__host-") and not is_whole_host:
        return False
    return is_secure or not lower.startswith((b"__secure-", b"__http-", b"__host-"))


def _is_secure(url: httpx.URL) -> bool:
    """Return whether browsers trust the connection; they do so within one machine, too."""
    host = _host(url)
    return url.scheme == "https" or host == "localhost" or host.startswith("127.") or host == "::1"


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower().strip("[]")


def _expiry(attributes: dict[str, str], now_s: float) -> float:
    age = attributes.get("max-age", "")
    if age.removeprefix("-").isdecimal() and age.isascii():
        return now_s + min(int(age[:12]), LONGEST_S) if age[0] != "-" else 0.0
    expires = read_date(attributes.get("expires", ""))
    return now_s + LONGEST_S if expires is None else min(expires, now_s + LONGEST_S)


def read_date(text: str) -> float | None:
    """Return the Unix time that a cookie's Expires means (RFC 6265bis, 5.1.1), or None."""
    clock: tuple[int, int, int] | None = None
    day = month = year = 0
    for token in _DELIMITERS.split(text):
        if clock is None and (found := _TIME.fullmatch(token)):
            clock = int(found[1]), int(found[2]), int(found[3])
        elif not day and (found := _DAY.fullmatch(token)):
            day = int(found[1])
        elif not month and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif not year and (found := _YEAR.fullmatch(token)):
            year = int(found[1])
            year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    if clock is None or not (day and month and year >= 1601):
        return None
    try:
        return datetime(year, month, day, *clock, tzinfo=UTC).timestamp()
    except ValueError:
        return None
