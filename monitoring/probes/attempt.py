"""Run one attempt of any kind within its deadline, measure it, and distinguish our failures from the target's."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import replace
from typing import Protocol

from monitoring.probes.failures import MESSAGE_LENGTH, TARGET_ERRORS, classify, out_of_time, printable
from monitoring.probes.model import Finding, Phases, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.route import Route
from monitoring.probes.net.timeline import Hop, Stage, longest, total
from monitoring.probes.tools import Tools

STALL_MS = 1_000  # if a deadline fires later than this, our loop stalled
STALL_SHARE, STALL_LEAST_MS = 0.5, 500  # or if the loop stalled for this share of an attempt


class Names(Protocol):
    """DNS servers, and who is to blame when they are too slow."""

    @property
    def servers(self) -> str: ...
    async def check_servers(self, host: str, /) -> None:
        """Raise `NoNameServer` if our own servers are to blame."""


class Stalled(RuntimeError):
    """Our event loop stalled while an answer may have been waiting to be read."""


class Attempt:
    """The hops of one probe; a kind begins them, and returns its finding at the end."""

    __slots__ = ("_lateness_ms", "_started", "_stood_still_s", "deadline", "dns", "dns_ms", "failed",
                 "hops", "made", "redact", "spec", "tools", "total_ms")  # fmt: skip

    deadline: asyncio.Timeout  # while it runs

    def __init__(self, spec: ProbeSpec, tools: Tools, lateness_ms: float) -> None:
        self.spec = spec
        self.tools = tools
        self.hops: list[Hop] = []
        self.made: list[Hop] = []  # the hops of all branches, in order
        self.failed: dict[Hop, str | None] = {}  # what went wrong, without secrets
        self.dns_ms: float | None = None  # of a look-up for all branches
        self.dns: Names = tools.resolver  # who resolves names for this attempt
        self.redact: Callable[[str], str] | None = None  # removes secrets from the final message
        self._lateness_ms = max(lateness_ms, 0.0)  # how long after `due_at_ms` it starts
        self._started = tools.clock()
        self._stood_still_s = tools.standstill.seconds()
        self.total_ms: float | None = None  # set when the deadline has passed

    async def run(
        self, look: Callable[[], Awaitable[Finding]], *, degraded_over_ms: int | None = None, is_http: bool = False
    ) -> ProbeResult:
        """Probe the target within `timeout_ms`. A failing target is a value.

        All exceptions (except cancellation) are failures of ours, without a verdict about the target.
        """
        try:
            async with asyncio.timeout(self.spec.timeout_ms / 1000) as deadline:
                self.deadline = deadline
                finding = await look()
        except TimeoutError:
            if not deadline.expired():
                raise
            self.check_stall()
            finding = await self.out_of_time()
        except TARGET_ERRORS as error:
            finding = classify(error)
        return self._result(finding, degraded_over_ms, is_http)

    async def out_of_time(self) -> Finding:
        """Return which phase took too long. Raises `NoNameServer` if our own DNS servers did."""
        hop, route = self.hops[-1], self.tools.route
        name = route.to_host if route and route.host == hop.host else hop.host
        self.total_ms = self.elapsed_ms()
        if hop.stage is Stage.DNS:
            await self.dns.check_servers(name)
        return out_of_time(hop, self.spec.timeout_ms, self.dns.servers, name)

    def branch(self, route: Route) -> "Attempt":
        """Return the part of this attempt that takes a route of its own, with its own hops."""
        part = copy(self)
        part.hops, part.tools = [], replace(self.tools, route=route)
        return part

    def judge_time(self, finding: Finding, total_ms: float, degraded_over_ms: int | None) -> Finding:
        """Return the finding, slow if a good check took too long. Raises `Stalled` if that was our fault."""
        if finding.verdict is not Verdict.OK or degraded_over_ms is None or total_ms <= degraded_over_ms:
            return finding
        self._check_slowness(total_ms, degraded_over_ms)
        words = f"took {total_ms:.0f} ms, more than {degraded_over_ms} ms{longest(self._phases(total_ms))}"
        return Finding(Verdict.SLOW, None, f"{words}; {finding.message}" if finding.message else words)

    def begin(self, url: str, host: str, method: str) -> Hop:
        """Start to measure a request or connection."""
        hop = Hop(
            url=url,
            host=host,
            method=method,
            started_at_ms=self.spec.due_at_ms + round(self._lateness_ms + self.elapsed_ms()),
            clock=self.tools.clock,
        )
        self.hops.append(hop)
        self.made.append(hop)
        return hop

    def check_stall(self) -> None:
        """Raise `Stalled` if the deadline fired much too late, or if the loop stalled for too much of its time."""
        # Timers run before sockets are read, so after a stall good answers would be reported as timeouts.
        timeout_ms = self.spec.timeout_ms
        late_ms = self.elapsed_ms() - timeout_ms
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
        total_ms = self.elapsed_ms() if self.total_ms is None else self.total_ms
        for hop in self.made:
            hop.end()
        if finding.message is not None and self.redact is not None:
            finding = Finding(finding.verdict, finding.error_type, self.redact(finding.message))
        remarks = tuple(dict.fromkeys(remark for hop in self.made for remark in hop.remarks))
        if remarks and finding.verdict is Verdict.OK:
            words = "; ".join([*remarks, *filter(None, [finding.message])])
            finding = Finding(Verdict.OK, None, printable(words, MESSAGE_LENGTH))
        finding = self.judge_time(finding, total_ms, degraded_over_ms)
        if finding.verdict is Verdict.BAD and not self.failed:
            self.failed = dict.fromkeys(self.hops[-1:], finding.message)
        requests = tuple(hop.measured(self.failed.get(hop), self.redact) for hop in self.made)
        is_one_way = self.dns_ms is None
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
            phases=total([each.phases for each in requests], total_ms) if is_one_way else self._phases(total_ms),
            requests=requests if is_http else (),
            trace_id=self.spec.trace_id,
            remarks=remarks,
        )

    def _phases(self, total_ms: float) -> Phases:
        phases = total([hop.phases() for hop in self.hops], total_ms)
        return phases if self.dns_ms is None else replace(phases, dns_ms=self.dns_ms)

    def _stood_still_ms(self) -> float:
        return (self.tools.standstill.seconds() - self._stood_still_s) * 1000

    def elapsed_ms(self) -> float:
        return (self.tools.clock() - self._started) * 1000
