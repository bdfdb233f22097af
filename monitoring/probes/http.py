"""The HTTP probe."""

import asyncio

import httpx

from monitoring.probes.failures import TARGET_ERRORS, Failure, classify, out_of_time
from monitoring.probes.model import ErrorType, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.requests import (
    REDIRECT_CODES,
    REDIRECTS,
    Requests,
    next_step,
    shown,
)
from monitoring.probes.timeline import Hop, total
from monitoring.probes.tools import Tools
from monitoring.probes.transport import send

STALL_MS = 1_000  # a deadline that strikes later than this after its time tells of our loop, not of the target


class Stalled(RuntimeError):
    """Our event loop stood still while an answer may have been waiting to be read."""


async def probe(spec: ProbeSpec, tools: Tools, *, lateness_ms: float = 0.0) -> ProbeResult:
    """Make one attempt, redirects included, within `spec.timeout_ms`.

    `lateness_ms` says how long after `due_at_ms` the attempt starts. A failing target is a value; whatever is raised
    (cancellation apart) is a failure of ours, and no verdict about the target.
    """
    attempt = _Attempt(spec, tools, max(lateness_ms, 0.0))
    response, failure = None, None
    try:
        async with asyncio.timeout(spec.timeout_ms / 1000) as deadline:
            response = await attempt.follow()
    except TimeoutError:
        if not deadline.expired():
            raise
        attempt.check_stall()
        failure = out_of_time(attempt.hops[-1], spec.timeout_ms, tools.resolver.servers)
    except TARGET_ERRORS as error:
        failure = classify(error)
    return attempt.result(response, failure)


def judge(response: httpx.Response) -> tuple[Verdict, Failure | None]:
    """Decide on a complete answer. Expected codes, keywords and what counts as slow belong here."""
    if 200 <= response.status_code < 300:
        return Verdict.OK, None
    message = f"answered {response.status_code} {httpx.codes.get_reason_phrase(response.status_code)}".rstrip()
    if response.status_code in REDIRECT_CODES:
        message += " without saying where to (no Location header)"
    return Verdict.BAD, Failure(ErrorType.HTTP, message)


class _Attempt:
    """The hops of one probe as they are made."""

    __slots__ = ("_lateness_ms", "_spec", "_started", "_tools", "hops")

    def __init__(self, spec: ProbeSpec, tools: Tools, lateness_ms: float) -> None:
        self._spec = spec
        self._tools = tools
        self._lateness_ms = lateness_ms
        self._started = tools.clock()
        self.hops: list[Hop] = []

    async def follow(self) -> httpx.Response:
        """Return the final answer. Raises `TARGET_ERRORS`."""
        requests = Requests(self._spec, self._tools.user_agent)
        url, method = requests.first_url, self._spec.method
        seen: set[tuple[str, str]] = set()
        while True:
            hop = self._begin(url, method)
            seen.add((hop.url, method))
            request = requests.build(url, method, len(self.hops))
            response = await send(request, hop, self._tools)
            hop.end()
            step = next_step(request, response)
            if step is None:
                return response
            url, method = step
            if (str(url), method) in seen:
                raise httpx.TooManyRedirects(f"redirects go round in a loop, back to {shown(str(url))}")
            if len(self.hops) > REDIRECTS:
                raise httpx.TooManyRedirects(f"more than {REDIRECTS} redirects, the last to {shown(str(url))}")

    def check_stall(self) -> None:
        """Raise `Stalled` when the deadline struck much too late."""
        # Timers run before sockets are read, so after a stall good answers would be reported as timeouts.
        late_ms = self._elapsed_ms() - self._spec.timeout_ms
        if late_ms > STALL_MS:
            raise Stalled(f"deadline of {self._spec.timeout_ms} ms noticed {late_ms:.0f} ms late")

    def result(self, response: httpx.Response | None, failure: Failure | None) -> ProbeResult:
        """Put together what was found; `response` and `failure` are as `follow` ended."""
        total_ms = self._elapsed_ms()
        verdict = Verdict.BAD
        if response is not None:
            verdict, failure = judge(response)
        message = failure.message if failure else None
        for hop in self.hops:
            hop.end()
        requests = tuple(hop.measured(message if hop is self.hops[-1] else None) for hop in self.hops)
        return ProbeResult(
            service_id=self._spec.service_id,
            region=self._spec.region,
            checked_at_ms=self._spec.due_at_ms,
            interval_ms=self._spec.interval_ms,
            timeout_ms=self._spec.timeout_ms,
            lateness_ms=self._lateness_ms,
            verdict=verdict,
            status_code=self.hops[-1].status_code if self.hops else None,
            error_type=failure.error_type if failure else None,
            error_message=message,
            phases=total([request.phases for request in requests], total_ms),
            requests=requests,
        )

    def _begin(self, url: httpx.URL, method: str) -> Hop:
        hop = Hop(
            url=str(url),
            host=url.raw_host.decode("ascii"),
            method=method,
            started_at_ms=self._spec.due_at_ms + round(self._lateness_ms + self._elapsed_ms()),
            clock=self._tools.clock,
        )
        self.hops.append(hop)
        return hop

    def _elapsed_ms(self) -> float:
        return (self._tools.clock() - self._started) * 1000
