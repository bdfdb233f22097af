"""Build the requests of a probe: the first one, and those of redirects."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import httpx

from monitoring.probes.failures import printable
from monitoring.probes.http.answer import Reply, location_of
from monitoring.probes.http.content import ACCEPT_ENCODING
from monitoring.probes.http.http_settings import REDIRECT_CODES, HttpSettings
from monitoring.probes.http.location import read_location
from monitoring.probes.model import ProbeSpec
from monitoring.probes.net.names import parse_url
from monitoring.probes.net.timeline import Hop
from monitoring.probes.net.tls_contexts import TlsProfile
from monitoring.probes.net.tls_settings import opened_client
from monitoring.probes.secrets import Place, Secret
from monitoring.probes.tools import Tools

DEFAULT_PORTS = {"http": 80, "https": 443}
ORIGIN_PORTS = {**DEFAULT_PORTS, "tls": 443}
REDIRECTS = 20  # as many as Chromium follows
NO_BODY = httpx.ByteStream(b"")
WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110, 8.6: these say their length, even that it is zero
HIDDEN = "•••"
SHORTEST_SECRET = 4  # characters; hiding shorter ones would make messages unreadable

Header = tuple[bytes, bytes]
Origin = tuple[str, bytes, int | None]


class Requests:
    """Build the requests of one attempt. Credentials and headers of a service are sent only to its own origin."""

    __slots__ = (
        "_authorization",
        "_body",
        "_client",
        "_home",
        "_own",
        "_place",
        "_secrets",
        "_tls",
        "_trace_id",
        "_user_agent",
        "first_url",
    )

    def __init__(self, spec: ProbeSpec, settings: HttpSettings, tools: Tools) -> None:
        """Read the URL of the service. Raises `httpx.InvalidURL` or `httpx.UnsupportedProtocol`."""
        # `first_url` is without the credentials that the service's own may hold.
        self.first_url, self._home, self._authorization = _taken_apart(spec.url)
        self._trace_id = spec.trace_id
        self._user_agent = tools.user_agent
        self._body = settings.body.encode()
        self._secrets: list[str] = []
        self._place = Place(spec.service_id, origin_of(spec.url, spec.settings))
        self._own = list(self._opened(settings, tools)) if settings.headers else []
        self._tls = TlsProfile(settings.tls.security, settings.verify_tls, settings.ca)
        self._client = opened_client(settings, self._place, tools.unseal)

    def build(self, url: httpx.URL, method: str, number: int, cookies: bytes = b"") -> httpx.Request:
        """Make the request of hop `number`. Raises `httpx.RemoteProtocolError` if another origin would get the body."""
        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", self._user_agent.encode()),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", ACCEPT_ENCODING.encode()),
            (b"traceparent", f"00-{self._trace_id}-{span_id(self._trace_id, number)}-01".encode()),
            (b"X-Trace-Id", self._trace_id.encode()),
            (b"Connection", b"close"),
        ]
        is_home = _origin(url) == self._home
        if (self._authorization or self._own) and is_home:
            headers = self._with_own(headers)
        if cookies:
            headers = _with_cookies(headers, cookies)
        if method not in WITH_LENGTH and not (self._body and method in ("DELETE", "OPTIONS")):
            # Given a stream, httpx leaves the headers alone instead of looking for those that it would add.
            return httpx.Request(method, url, headers=headers, stream=NO_BODY)
        if self._body and not is_home:
            raise httpx.RemoteProtocolError(
                f"redirected to another origin, where our body does not go: {shown(str(url))}"
            )
        headers.append((b"Content-Length", b"%d" % len(self._body)))
        return httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(self._body))

    def tls_profile(self, url: httpx.URL) -> TlsProfile:
        """Return the TLS settings of a request; our client certificate goes to the service's own origin only."""
        return (
            self._tls if self._client is None or _origin(url) != self._home else self._tls._replace(client=self._client)
        )

    def redact(self, text: str) -> str:
        """Remove the secrets from a text of the target."""
        for secret in self._secrets:
            text = _cut_off(secret, text.replace(secret, HIDDEN))
        return text

    def _opened(self, settings: HttpSettings, tools: Tools) -> Iterator[Header]:
        for name, value in settings.headers:
            if isinstance(value, Secret):
                value = tools.unseal(value.sealed, self._place.at(f"headers.{name}"))
                # Also what follows "Bearer", which may come back alone.
                for part in (value, value.split(" ")[-1]):
                    if len(part) >= SHORTEST_SECRET:
                        self._secrets += [part, quote(part), quote(part, safe=""), quote_plus(part)]
                        self._secrets.append(json.dumps(part, ensure_ascii=False)[1:-1])
            yield name.encode(), value.encode()

    def _with_own(self, headers: list[Header]) -> list[Header]:
        if self._authorization:
            headers = [*headers, (b"Authorization", self._authorization)]
        names = {name.lower() for name, _ in self._own}
        return [header for header in headers if header[0].lower() not in names] + self._own


def _with_cookies(headers: list[Header], cookies: bytes) -> list[Header]:
    """Add cookies to those of the service's own Cookie header; they replace its cookies of the same name."""
    own = b"; ".join(value for name, value in headers if name.lower() == b"cookie")
    known = {pair.partition(b"=")[0] for pair in cookies.split(b"; ")}
    kept = [pair for each in own.split(b";") if (pair := each.strip()) and pair.partition(b"=")[0] not in known]
    others = [header for header in headers if header[0].lower() != b"cookie"]
    return [*others, (b"Cookie", b"; ".join([*kept, cookies]))]


@lru_cache(maxsize=65_536)  # about 1.5 KB each; parsing takes a tenth of a whole plain check
def _taken_apart(text: str) -> tuple[httpx.URL, Origin, bytes | None]:
    """Return the URL to ask, its origin, and the value of Authorization where the URL holds credentials."""
    url = parse_url(text)
    first = _checked(url)
    return first, _origin(first), _basic(url.userinfo) if url.userinfo else None


def first_url(text: str) -> httpx.URL:
    """Return the URL that a service is asked for, without credentials. Raises as `check_url`."""
    return _taken_apart(text)[0]


def _cut_off(secret: str, text: str) -> str:
    """Hide the beginning of a secret where a message was shortened in the middle of it."""
    before, mark, after = text.partition("…")
    for length in range(len(secret) - 1, SHORTEST_SECRET - 1, -1) if mark else ():
        if before.endswith(secret[:length]):
            return before[:-length] + HIDDEN + mark + after
    return text


def check_url(text: str) -> None:
    """Judge the URL of a service. Raises `httpx.InvalidURL` or `httpx.UnsupportedProtocol`."""
    _checked(parse_url(text))


def origin_of(text: str, settings: Mapping[str, Any] | None = None) -> str:
    """Return where secrets of a service may go: scheme, host and port of its URL, and `connect_to` if it has one."""
    origin, door = _origin_of(text), (settings or {}).get("connect_to")
    return f"{origin} via {door}" if origin and door else origin


@lru_cache(maxsize=65_536)
def _origin_of(text: str) -> str:
    """Return scheme, host and port of a URL, such as https://api.example.com:443; empty for one without them."""
    try:
        url = parse_url(text)
    except httpx.InvalidURL:
        return ""
    port = url.port or ORIGIN_PORTS.get(url.scheme)
    host = url.raw_host.decode("ascii", "replace")
    return f"{url.scheme}://{host}:{port}" if host and port else ""


def next_step(request: httpx.Request, reply: Reply, hop: Hop) -> tuple[httpx.URL, str] | None:
    """Return URL and method that a redirect leads to, or None where the answer is final."""
    if reply.status_code not in REDIRECT_CODES or not (location := location_of(reply.headers)):
        return None
    try:
        target, oddity = read_location(location, request.url)
        url = _checked(parse_url(target))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise httpx.RemoteProtocolError(f"redirected to {shown(location.decode(errors='replace'))}: {error}") from error
    if oddity:
        hop.note(f"forgiven: {oddity}")
    becomes_get = reply.status_code == 303 or (reply.status_code < 303 and request.method == "POST")
    return url, "GET" if becomes_get and request.method != "HEAD" else request.method


def shown(text: str) -> str:
    """Return a URL for a message, without credentials, query and fragment."""
    plain = text.partition("#")[0].partition("?")[0]
    scheme, slashes, rest = plain.partition("//")
    authority, slash, path = rest.partition("/")
    return printable(scheme + slashes + authority.rpartition("@")[2] + slash + path)


def span_id(trace_id: str, number: int) -> str:
    """Derive the span of hop `number`, so that it need not be stored."""
    return hashlib.blake2b(f"{trace_id}:{number}".encode(), digest_size=8).hexdigest()


def _checked(url: httpx.URL) -> httpx.URL:
    """Return a URL that can be probed, stored and shown: without credentials."""
    if url.scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol("only http and https addresses are probed")
    if not url.raw_host:
        raise httpx.InvalidURL("address has no host")
    if url.port is not None and not 0 < url.port < 65536:
        raise httpx.InvalidURL("address has a port outside 1–65535")
    return url.copy_with(userinfo=b"") if url.userinfo else url


def _origin(url: httpx.URL) -> Origin:
    """Return what two URLs must share to be trusted with the same secrets (httpx leaves default ports out)."""
    return url.scheme, url.raw_host, url.port  # not `host`, which raises for a broken xn-- label


def _basic(userinfo: bytes) -> bytes:
    return b"Basic " + base64.b64encode(unquote(userinfo.decode()).encode())
