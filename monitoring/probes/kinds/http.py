"""The HTTP probe."""

from collections.abc import Sequence

import httpx

from monitoring.probes.attempt import Attempt
from monitoring.probes.every_address import look_along
from monitoring.probes.failures import NotAllowed
from monitoring.probes.http.answer import Reply
from monitoring.probes.http.cookies import Jar, set_cookies
from monitoring.probes.http.expectations import judge
from monitoring.probes.http.http_settings import HttpSettings
from monitoring.probes.http.requests import (
    DEFAULT_PORTS,
    REDIRECTS,
    Requests,
    check_url,
    first_url,
    next_step,
    shown,
)
from monitoring.probes.http.transport import send
from monitoring.probes.kind import Kind
from monitoring.probes.model import Finding, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.certificates import DAY_S, expiry_words
from monitoring.probes.net.route import ALL, route_of
from monitoring.probes.net.timeline import Hop
from monitoring.probes.tools import Tools


async def probe(spec: ProbeSpec, settings: HttpSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Make one attempt, redirects included."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look_at(branch: Attempt) -> Finding:
        requests = Requests(spec, settings, tools)
        attempt.redact = requests.redact
        reply = await _follow(branch, requests, settings)
        finding = judge(reply, settings)
        expiring = settings.cert_days and expiry_of(branch.hops, settings.cert_days)
        return Finding(Verdict.SLOW, None, expiring) if expiring and finding.verdict is Verdict.OK else finding

    async def look() -> Finding:
        if settings.connect_to is None and settings.addresses != ALL:
            return await look_at(attempt)
        url = first_url(spec.url)
        host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme]
        route = route_of(host, port, settings.connect_to)
        return await look_along(attempt, look_at, route, settings, url=str(url), method=settings.method)

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms, is_http=True)


async def _follow(attempt: Attempt, requests: Requests, settings: HttpSettings) -> Reply:
    """Return the final answer. Raises `TARGET_ERRORS`."""
    url, method, hops = requests.first_url, settings.method, attempt.hops
    seen: set[tuple[str, str, bytes]] = set()
    jar, cookies = Jar() if settings.cookies else None, b""
    while True:
        hop = attempt.begin(str(url), url.raw_host.decode("ascii"), method)
        seen.add((hop.url, method, cookies))
        request = requests.build(url, method, len(attempt.made), cookies)
        try:
            reply = await send(
                request,
                hop,
                attempt.tools,
                keep_body=settings.wants_body,
                reads_body=not settings.ignores_body,
                follows=settings.follow_redirects,
                profile=requests.tls_profile(url),
                level=settings.tls,
            )
        except NotAllowed as error:
            # The target redirected there, but our own rule ends the attempt, so there is no verdict.
            raise NotAllowed(f"redirected to {shown(str(url))}: {error}" if len(hops) > 1 else str(error)) from error
        hop.end()
        step = next_step(request, reply, hop) if settings.follow_redirects else None
        if step is None:
            return reply
        if jar is not None:
            jar.keep(url, set_cookies(reply.headers), hop.started_at_ms / 1000)
            cookies = jar.header(step[0], hop.started_at_ms / 1000)
        url, method = step
        if (str(url), method, cookies) in seen:
            raise httpx.TooManyRedirects(f"redirects go round in a loop, back to {shown(str(url))}")
        if len(hops) > REDIRECTS:
            raise httpx.TooManyRedirects(f"more than {REDIRECTS} redirects, the last to {shown(str(url))}")


def expiry_of(hops: Sequence[Hop], days: int) -> str | None:
    """Return the words for the certificate of all requests that expires first, if that is in less than `days`."""
    ends = [(hop.certificate_ends_at_s, number) for number, hop in enumerate(hops) if hop.certificate_ends_at_s]
    ends_at_s, number = min(ends, default=(0, -1))
    now_s = hops[number].started_at_ms / 1000
    if not ends or ends_at_s - now_s >= days * DAY_S:
        return None
    return expiry_words(hops[number].chain, now_s, hops[number].host if len(hops) > 1 else "")


KIND = Kind(
    name="http",
    label="HTTP",
    settings=HttpSettings,
    schemes=("http", "https"),
    check_url=check_url,
    probe=probe,
)
