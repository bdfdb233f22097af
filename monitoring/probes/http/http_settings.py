"""The settings of an HTTP check."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from monitoring.probes.http import json_path
from monitoring.probes.http.json_query import Query
from monitoring.probes.net.names import parse_url
from monitoring.probes.net.route import addresses, connect_to
from monitoring.probes.net.tls_settings import (
    TlsLevel,
    ca,
    client_certificate,
    client_key,
    client_problems,
    read_tls,
    tls_problems,
)
from monitoring.probes.secrets import Place, Secret, is_secret
from monitoring.probes.settings import Notes, Problem, Settings, Unseal, degraded_over, few, is_text, setting, texts
from monitoring.probes.target import Target, is_host_name

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODY_BYTES = 64 * 1024
HEADERS = 50
KEYWORDS = 20
FINAL_URL = ("equals", "prefix", "host")
FINAL_URLS = 10
HEADER_BYTES = 8 * 1024
REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
# The connection and the length of the body are ours to manage.
RESERVED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    },
)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, 5.6.2
_CODES = re.compile(r"([1-5])xx|([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?", re.IGNORECASE)

Header = tuple[str, str | Secret]
Codes = tuple[int, int]  # from, to (inclusive)


@dataclass(frozen=True, slots=True)
class JsonEquals:
    """A value that a JSON body must have at a path."""

    path: str
    query: Query
    value: str | int | float | bool | None


def read_headers(value: Any, notes: Notes) -> tuple[Header, ...]:
    """Read a mapping of names to text or secrets. A `Reader`; no problem repeats a value, which may be a secret."""
    if not isinstance(value, Mapping):
        notes.add("it is not a mapping. Enter `Name: value` lines below it.", value, is_hidden=True)
        return ()
    if len(value) > HEADERS:
        notes.add("there are more than %(count)s headers.", None, count=HEADERS)
    seen: set[str] = set()
    for name, each in value.items():
        _judge_header_name(str(name), seen, notes)
        _judge_header_value(str(name), each, notes)
    return tuple((str(name), Secret(each["secret"]) if is_secret(each) else each) for name, each in value.items())


def _judge_header_name(name: str, seen: set[str], notes: Notes) -> None:
    if not _TOKEN.fullmatch(name):
        notes.add("%(value)s is not the name of a header.", name, at=name)
    elif name.lower() in RESERVED:
        notes.add("the monitor sets this header itself. Remove it.", name, at=name)
    elif name.lower() in seen:
        notes.add("this header is listed twice.", name, at=name)
    seen.add(name.lower())


def _judge_header_value(name: str, value: Any, notes: Notes) -> None:
    if is_secret(value) or not is_text(value, notes, at=name, is_hidden=True):
        return
    if len(value.encode()) > HEADER_BYTES:
        notes.add("it is longer than %(length)s bytes.", None, at=name, length=HEADER_BYTES)
    elif not value.replace("\t", " ").isprintable():
        notes.add("it contains a line break or another control character.", None, at=name)


def read_keywords(value: Any, notes: Notes) -> tuple[str, ...]:
    """Read one text to look for in a body, or a list of them. A `Reader`."""
    return texts(value, notes, KEYWORDS)  # each takes about 1.5 ms in a body of 1 MiB


def read_codes(value: Any, notes: Notes) -> tuple[Codes, ...]:
    """Read a list of codes (200), classes ("2xx") and ranges ("200-204"), or one of them. A `Reader`."""
    found: list[Codes] = []
    written = few(value, notes)
    for each in written:
        match = _CODES.fullmatch(str(each).strip()) if isinstance(each, int | str) else None
        if match is None:
            notes.add(
                '%(value)s is not a status. Enter codes like 200, classes like "2xx", ranges like "200-204".', each
            )
        elif match[1]:
            found.append((int(match[1]) * 100, int(match[1]) * 100 + 99))
        else:
            found.append((int(match[2]), int(match[3] or match[2])))
            if found[-1][0] > found[-1][1]:
                notes.add("%(value)s is a range that ends before it begins.", each)
    if not written:
        notes.add("it is empty. Enter a value, or remove the line.", value)
    return tuple(found)


def read_json_equals(value: Any, notes: Notes) -> tuple[JsonEquals, ...]:
    """Read `{path: "$.status", value: ok}`, or a list of them. A `Reader`."""
    found: list[JsonEquals] = []
    for each in few(value, notes):
        if not isinstance(each, Mapping) or each.keys() != {"path", "value"}:
            notes.add('%(value)s is not complete. Enter {path: "$.status", value: ok}.', each)
            continue
        if not isinstance(each["value"], str | int | float | None):
            notes.add(
                "%(value)s is not a single value. Enter text, a number, true, false or null.", each["value"], at="value"
            )
        path = str(each["path"])
        if len(path.encode()) > json_path.PATH_BYTES:
            notes.add("it is longer than %(length)s bytes.", None, at="path", length=json_path.PATH_BYTES)
            continue
        try:
            found.append(JsonEquals(path, json_path.parse(path), each["value"]))
        except ValueError as error:
            message = "%(value)s cannot be parsed from %(rest)s on. Enter a path like $.checks[0].status."
            notes.add(message, path, at="path", rest=str(error))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class FinalUrl:
    """Where redirects must end."""

    how: str  # equals, prefix or host
    wanted: tuple[str, ...]  # any of these; as `httpx.URL` writes them, or the host in ASCII

    def is_met(self, url: httpx.URL) -> bool:
        """Return whether a URL is one that is wanted; a fragment is not looked at."""
        if self.how == "host":
            return _ascii_host(url) in self.wanted
        return any(self._is_like(url, httpx.URL(each)) for each in self.wanted)

    def _is_like(self, url: httpx.URL, wanted: httpx.URL) -> bool:
        if (url.scheme, url.raw_host, url.port) != (wanted.scheme, wanted.raw_host, wanted.port):
            return False
        if self.how == "prefix":
            return url.raw_path.startswith(wanted.raw_path)
        return url.raw_path == wanted.raw_path


def read_final_url(value: Any, notes: Notes) -> FinalUrl | None:
    """Read `{host: www.example.com}`, `{prefix: URL}` or `{equals: URL}`, each with one value or a list. A `Reader`."""
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in FINAL_URL:
        notes.add("%(value)s is not complete. Enter {host: www.example.com}, {prefix: URL} or {equals: URL}.", value)
        return None
    how, written = next(iter(value.items()))
    wanted = []
    for each in few(written, notes, FINAL_URLS):
        if not is_text(each, notes, at=how):
            continue
        url = _host_as_url(each) if how == "host" else _as_url(each)
        if url is None:
            example = "www.example.com" if how == "host" else "https://www.example.com/"
            message = "%(value)s is not valid here. Enter a value like %(example)s."
            notes.add(message, each, at=how, example=example)
        else:
            wanted.append(_ascii_host(url) if how == "host" else str(url))
    if written == []:
        notes.add("it is empty. Enter a value, or remove the line.", written, at=how)
    return FinalUrl(how, tuple(wanted))


def _host_as_url(text: str) -> httpx.URL | None:
    is_ipv6 = text.startswith("[") and text.endswith("]")
    if not text or re.search(r"[\s/?#@%\\]" if is_ipv6 else r"[\s/?#@%\\:]", text):
        return None
    url = _as_url(f"http://{text}/")
    return url if url and (is_ipv6 or is_host_name(_ascii_host(url))) else None  # `*.example.com` would match nothing


def _as_url(text: str) -> httpx.URL | None:
    try:
        url = parse_url(text.strip())
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("http", "https") and url.raw_host and not url.userinfo else None


def _ascii_host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii", "replace").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings(Settings):
    """Settings of `kind: http`."""

    method: str = setting("GET", label="Method", help="Method of the request.", choices=METHODS)
    headers: tuple[Header, ...] = setting(
        (),
        label="Headers",
        help="Headers to send, as a mapping; a value is text, or a secret that is never shown again.",
        reader=read_headers,
        example={"Accept": "application/json"},
        holds_secrets=True,
    )
    body: str = setting(
        "", label="Body", help="Body to send; set its type with the Content-Type header.", length=BODY_BYTES
    )
    expected_status: tuple[Codes, ...] = setting(
        ((200, 299),),
        label="Good status codes",
        help="Status codes that count as good: codes, classes and ranges.",
        reader=read_codes,
        example=[200, "3xx", "400-404"],
        placeholder="2xx",
    )
    keyword_present: tuple[str, ...] = setting(
        (),
        label="Required text",
        help="Text that the body must contain, or a list of such texts.",
        reader=read_keywords,
        example="Welcome",
    )
    keyword_absent: tuple[str, ...] = setting(
        (),
        label="Forbidden text",
        help="Text that the body must not contain, or a list of such texts.",
        reader=read_keywords,
        example=["Fatal error", "maintenance"],
    )
    json_equals: tuple[JsonEquals, ...] = setting(
        (),
        label="JSON value",
        help="Value that the JSON body must have at a path, or a list of such values.",
        reader=read_json_equals,
        example={"path": "$.status", "value": "ok"},
    )
    follow_redirects: bool = setting(
        True,
        label="Follow redirects",
        help="Whether to follow redirects instead of treating a redirect as the response.",
    )
    final_url: FinalUrl | None = setting(
        None,
        label="Final address",
        help="Where redirects must end: a host, a prefix of the URL, or the whole URL (equals); one value or a list.",
        reader=read_final_url,
        example={"host": "www.example.com"},
    )
    cookies: bool = setting(
        True,
        label="Keep cookies",
        help="Whether cookies that a response sets are sent to the addresses that it redirects to; none outlives the"
        " check.",
    )
    response_body: str = setting(
        "read",
        label="Body of the response",
        help="Whether to read the body (read), or to judge a response by its status and headers alone (ignore).",
        choices=("read", "ignore"),
    )
    verify_tls: bool = setting(
        True,
        label="Verify the certificate",
        help="Whether the certificate must be trusted, valid now and issued for the host; problems are shown"
        " in any case.",
    )
    tls: TlsLevel = setting(
        TlsLevel(),
        label="TLS security",
        placeholder="security: browser",
        help="Cipher suites to accept (modern, browser or legacy) and the minimum version (1.0 to 1.3).",
        reader=read_tls,
        example={"security": "legacy", "min_version": "1.0"},
    )
    ca: str = ca()
    client_certificate: str | Secret | None = client_certificate()
    client_key: Secret | None = client_key()
    cert_days: int | None = setting(
        None,
        label="Warn before certificate expiry",
        help="A good check with a certificate that expires sooner than this, at any redirect, is slow.",
        unit="days",
        low=1,
        high=3_650,
    )
    addresses: str = addresses()
    connect_to: Target | None = connect_to()  # noqa: RUF009  it makes a field, as the others
    degraded_over_ms: int | None = degraded_over()

    @property
    def wants_body(self) -> bool:
        return bool(self.keyword_present or self.keyword_absent or self.json_equals)

    @property
    def ignores_body(self) -> bool:
        """Return whether a response is judged by its head; GET and HEAD have no other body that `body` could mean."""
        return self.response_body == "ignore" or (self.body == "ignore" and self.method in ("GET", "HEAD"))

    def expects(self, status_code: int) -> bool:
        return any(low <= status_code <= high for low, high in self.expected_status)

    def problems(self) -> Iterator[Problem]:
        if self.method == "HEAD" and self.wants_body:
            message = "a response to HEAD has no body to search for text or JSON. Use GET."
            yield Problem("method", self.method, message)
        if self.ignores_body and self.wants_body:
            key = "response_body" if self.response_body == "ignore" else "body"
            message = (
                "the body of the response is ignored, so no text or JSON can be found in it. Remove %(key)s: ignore."
            )
            yield Problem(key, "ignore", message, {"key": key})
        if self.final_url is not None and not self.follow_redirects:
            message = "redirects are not followed. Remove final_url, or set follow_redirects: true."
            yield Problem("final_url", None, message)
        if self.body and self.method in ("GET", "HEAD") and not self.ignores_body:
            message = "a %(method)s request has no body. Use POST, or remove the body."
            yield Problem("body", None, message, {"method": self.method})
        if self.follow_redirects and all(low == high and low in REDIRECT_CODES for low, high in self.expected_status):
            message = (
                "redirects are followed, so a redirect is never the response. Set follow_redirects: false as well."
            )
            yield Problem("expected_status", None, message)
        yield from tls_problems(self)

    def secret_problems(self, place: Place, unseal: Unseal) -> Iterator[Problem]:
        return client_problems(self, place, unseal)
