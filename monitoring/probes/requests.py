"""Write the requests of a probe: the first one, and those that redirects ask for."""

import base64
import hashlib
from urllib.parse import unquote

import httpx

from monitoring.probes.content import ACCEPT_ENCODING
from monitoring.probes.failures import printable
from monitoring.probes.model import ProbeSpec

REDIRECTS = 5
REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
# The connection is ours to manage, and there is no body.
_RESERVED = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "te", "upgrade", "expect"})


def first_url(spec: ProbeSpec) -> httpx.URL:
    """Read the URL of a service. Raises `httpx.InvalidURL` or `httpx.UnsupportedProtocol`."""
    return _checked(_parse(spec.url))


def build(
    spec: ProbeSpec, url: httpx.URL, method: str, user_agent: str, number: int, *, is_home: bool
) -> httpx.Request:
    """Make the request of hop `number`. Credentials and headers of the service go nowhere but to its own origin."""
    headers = {
        b"Host": url.netloc,
        b"User-Agent": user_agent.encode(),
        b"Accept": b"*/*",
        b"Accept-Encoding": ACCEPT_ENCODING.encode(),
        b"traceparent": f"00-{spec.trace_id}-{span_id(spec.trace_id, number)}-01".encode(),
        b"X-Trace-Id": spec.trace_id.encode(),
        b"Connection": b"close",
    }
    if is_home and (userinfo := httpx.URL(spec.url).userinfo):
        headers[b"Authorization"] = b"Basic " + base64.b64encode(unquote(userinfo.decode()).encode())
    raw = list(headers.items())
    if is_home and spec.headers:
        raw = _overlaid(raw, spec)
    return httpx.Request(method, url, headers=raw)


def next_step(request: httpx.Request, response: httpx.Response) -> tuple[httpx.URL, str] | None:
    """Return URL and method that a redirect leads to, or None where the answer is final."""
    if response.status_code not in REDIRECT_CODES or "location" not in response.headers:
        return None
    location = response.headers["location"]
    try:
        url = _checked(request.url.join(_parse(location)))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise httpx.RemoteProtocolError(f"redirected to {shown(location)}: {error}") from error
    becomes_get = response.status_code == 303 or (response.status_code < 303 and request.method == "POST")
    return url, "GET" if becomes_get and request.method != "HEAD" else request.method


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return what two URLs must share to be trusted with the same secrets (httpx leaves default ports out)."""
    return url.scheme, url.host, url.port


def without_userinfo(url: httpx.URL) -> str:
    """Return a URL that may be stored and shown."""
    return str(url.copy_with(userinfo=b"")) if url.userinfo else str(url)


def shown(text: str) -> str:
    """Shorten a URL for a message: without credentials, query and fragment."""
    plain = text.partition("#")[0].partition("?")[0]
    scheme, slashes, rest = plain.partition("//")
    authority, slash, path = rest.partition("/")
    return printable(scheme + slashes + authority.rpartition("@")[2] + slash + path)


def span_id(trace_id: str, number: int) -> str:
    """Derive the span of hop `number`, so that it need not be stored."""
    return hashlib.blake2b(f"{trace_id}:{number}".encode(), digest_size=8).hexdigest()


def _parse(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except UnicodeError as error:  # what the idna library raises for some names
        raise httpx.InvalidURL(f"host name is not valid: {error}") from error


def _checked(url: httpx.URL) -> httpx.URL:
    if url.scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol("only http and https addresses are probed")
    if not url.host:
        raise httpx.InvalidURL("address has no host")
    if url.port is not None and not 0 < url.port < 65536:
        raise httpx.InvalidURL("address has a port outside 1–65535")
    return url


def _overlaid(raw: list[tuple[bytes, bytes]], spec: ProbeSpec) -> list[tuple[bytes, bytes]]:
    own = {name.encode(): value.encode() for name, value in spec.headers.items() if name.lower() not in _RESERVED}
    names = {name.lower() for name in own}
    return [(name, value) for name, value in raw if name.lower() not in names] + list(own.items())
