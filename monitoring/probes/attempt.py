"""Run one attempt of any kind within its deadline, measure it, and distinguish our failures from the target's."""

import asyncio
from collections.abc import Awaitable, Callable

from monitoring.probes.failures import MESSAGE_LENGTH, TARGET_ERRORS, classify, out_of_time, printable
from monitoring.probes.model import Finding, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.timeline import Hop, longest, total
from monitoring.probes.tools import Tools

STALL_MS = 1_000  # if a deadline fires later than this, our loop stalled
STALL_SHARE, STALL_LEAST_MS = 0.5, 500  # or if the loop stalled for this share of an attempt


class Stalled(RuntimeError):
    """Our event loop stalled while an answer may have been waiting to be read."""


class Attempt:
    """The hops of one probe; a kind begins them, and returns its finding at the end."""

    __slots__ = ("_lateness_ms", "_started", "_stood_still_s", "dns_servers", "hops", "redact", "spec", "tools")

    def __init__(self, spec: ProbeSpec, tools: Tools, lateness_ms: float) -> None:
        self.spec = spec
        self.tools = tools
        self.hops: list[Hop] = []
        self.dns_servers = tools.resolver.servers
        self.redact: Callable[[str], str] | None = None  # removes secrets from the final message
        self._lateness_ms = max(lateness_ms, 0.0)  # how long after `due_at_ms` it starts
        self._started = tools.clock()
        self._stood_still_s = tools.standstill.seconds()

    async def run(
        self, look: Callable[[], Awaitable[Finding]], *, degraded_over_ms: int | None = None, is_http: bool = False
    ) -> ProbeResult:
        """Probe the target within `timeout_ms`. A failing target is a value.

        All exceptions (except cancellation) are failures of ours, without a verdict about the target.
        """
        try:
            async with asyncio.timeout(self.spec.timeout_ms / 1000) as deadline:
                finding = await look()
        except TimeoutError:
            if not deadline.expired():
                raise
            self._check_stall()
            finding = out_of_time(self.hops[-1], self.spec.timeout_ms, self.dns_servers)
        except TARGET_ERRORS as error:
            finding = classify(error)
        return self._result(finding, degraded_over_ms, is_http)

    def begin(self, url: str, host: str, method: str) -> Hop:
        """Start to measure a request or connection."""
        hop = Hop(
            url=url,
            host=host,
            method=method,
            started_at_ms=self.spec.due_at_ms + round(self._lateness_ms + self._elapsed_ms()),
            clock=self.tools.clock,
        )
        self.hops.append(hop)
        return hop

    def _check_stall(self) -> None:
        """Raise `Stalled` if the deadline fired much too late, or if the loop stalled for too much of its time."""
        # Timers run before sockets are read, so after a stall good answers would be reported as timeouts.
        timeout_ms = self.spec.timeout_ms
        late_ms = self._elapsed_ms() - timeout_ms
        if late_ms > STALL_MS:
            raise Stalled(f"deadline of {timeout_ms} ms noticed {late_ms:.0f} ms late")
        stood_ms = self._stood_still_ms()
        if stood_ms >= max(STALL_SHARE * timeout_ms, STALL_LEAST_MS):
            raise Stalled(f"our loop stood still for {stood_ms:.0f} of {timeout_ms} ms")

    def _check_slowness(self, total_ms: float, degraded_over_ms: int) -> None:
        """Raise `Stalled` if the probe was slow only because our loop stalled."""
        # Not ok either: the stored response time would not be that of the target.
        stood_ms = self._stood_still_ms()
        if total_ms - stood_ms <= degraded_over_ms:
            raise Stalled(f"took {total_ms:.0f} ms, for {stood_ms:.0f} of which our loop stood still")

    def _result(self, finding: Finding, degraded_over_ms: int | None, is_http: bool) -> ProbeResult:
        total_ms = self._elapsed_ms()
        for hop in self.hops:
            hop.end()
        if finding.message is not None and self.redact is not None:
            finding = Finding(finding.verdict, finding.error_type, self.redact(finding.message))
        failure = finding.message if finding.verdict is Verdict.BAD else None
        remarks = tuple(dict.fromkeys(remark for hop in self.hops for remark in hop.remarks))
        if remarks and finding.verdict is Verdict.OK:
            words = "; ".join([*remarks, *filter(None, [finding.message])])
            finding = Finding(Verdict.OK, None, printable(words, MESSAGE_LENGTH))
        requests = tuple(hop.measured(failure if hop is self.hops[-1] else None, self.redact) for hop in self.hops)
        phases = total([request.phases for request in requests], total_ms)
        if finding.verdict is Verdict.OK and degraded_over_ms is not None and total_ms > degraded_over_ms:
            self._check_slowness(total_ms, degraded_over_ms)
            words = f"took {total_ms:.0f} ms, more than {degraded_over_ms} ms{longest(phases)}"
            words = f"{words}; {finding.message}" if finding.message else words
            finding = Finding(Verdict.SLOW, None, words)
        return ProbeResult(
            service_id=self.spec.service_id,
            region=self.spec.region,
            checked_at_ms=self.spec.due_at_ms,
            interval_ms=self.spec.interval_ms,
            timeout_ms=self.spec.timeout_ms,
            lateness_ms=self._lateness_ms,
            verdict=finding.verdict,
            status_code=self.hops[-1].status_code if self.hops else None,
            error_type=finding.error_type,
            error_message=finding.message,
            phases=phases,
            requests=requests if is_http else (),
            trace_id=self.spec.trace_id,
            remarks=remarks,
        )

    def _stood_still_ms(self) -> float:
        return (self.tools.standstill.seconds() - self._stood_still_s) * 1000

    def _elapsed_ms(self) -> float:
        return (self.tools.clock() - self._started) * 1000
