"""The HTTP probe."""

import httpx

from monitoring.probes.attempt import Attempt
from monitoring.probes.every_address import look_along
from monitoring.probes.failures import NotAllowed
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
from monitoring.probes.model import Finding, ProbeResult, ProbeSpec
from monitoring.probes.net.route import ALL, route_of
from monitoring.probes.tools import Tools


async def probe(spec: ProbeSpec, settings: HttpSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Make one attempt, redirects included."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look_at(branch: Attempt) -> Finding:
        requests = Requests(spec, settings, tools)
        attempt.redact = requests.redact
        response = await _follow(branch, requests, settings)
        return judge(response, settings, branch.hops[-1].remark)

    async def look() -> Finding:
        if settings.connect_to is None and settings.addresses != ALL:
            return await look_at(attempt)
        url = first_url(spec.url)
        host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme]
        route = route_of(host, port, settings.connect_to)
        return await look_along(attempt, look_at, route, settings, url=str(url), method=settings.method)

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms, is_http=True)


async def _follow(attempt: Attempt, requests: Requests, settings: HttpSettings) -> httpx.Response:
    """Return the final answer. Raises `TARGET_ERRORS`."""
    url, method, hops = requests.first_url, settings.method, attempt.hops
    seen: set[tuple[str, str]] = set()
    while True:
        hop = attempt.begin(str(url), url.raw_host.decode("ascii"), method)
        seen.add((hop.url, method))
        request = requests.build(url, method, len(attempt.made))
        try:
            response = await send(
                request, hop, attempt.tools, keep_body=settings.wants_body, verify_tls=settings.verify_tls
            )
        except NotAllowed as error:
            # The target redirected there, but our own rule ends the attempt, so there is no verdict.
            raise NotAllowed(f"redirected to {shown(str(url))}: {error}" if len(hops) > 1 else str(error)) from error
        hop.end()
        step = next_step(request, response) if settings.follow_redirects else None
        if step is None:
            return response
        url, method = step
        if (str(url), method) in seen:
            raise httpx.TooManyRedirects(f"redirects go round in a loop, back to {shown(str(url))}")
        if len(hops) > REDIRECTS:
            raise httpx.TooManyRedirects(f"more than {REDIRECTS} redirects, the last to {shown(str(url))}")


KIND = Kind(
    name="http",
    label="HTTP",
    settings=HttpSettings,
    schemes=("http", "https"),
    check_url=check_url,
    probe=probe,
)
