"""Look at every address of a name in one check, instead of the first one that accepts a connection."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from monitoring.probes.attempt import Attempt
from monitoring.probes.failures import OWN_LIMITS, TARGET_ERRORS, classify, printable
from monitoring.probes.model import Finding, Verdict
from monitoring.probes.net.connect import addresses_of, interleave
from monitoring.probes.net.route import ALL, Route
from monitoring.probes.net.timeline import Hop, Stage

MOST_ADDRESSES = 16  # at the same time; each is a whole attempt
NAMED = 3
LATE_S = 0.5  # for what follows the deadline

Look = Callable[[Attempt], Awaitable[Finding]]


class Directions(Protocol):
    """The settings of a check that say where it looks."""

    @property
    def addresses(self) -> str: ...
    @property
    def degraded_over_ms(self) -> int | None: ...


async def look_along(
    attempt: Attempt, look: Look, route: Route, settings: Directions, *, url: str, method: str
) -> Finding:
    """Look once on a route, or at every address at its end."""
    attempt.tools = replace(attempt.tools, route=route)
    if settings.addresses != ALL:
        return await look(attempt)
    hop = attempt.begin(url, route.host, method)
    return await _look_everywhere(attempt, look, route, settings.degraded_over_ms, hop)


async def _look_everywhere(attempt: Attempt, look: Look, route: Route, over_ms: int | None, hop: Hop) -> Finding:
    """Look at all addresses at the same time, each with a branch of the attempt, and join the findings.

    The name is resolved once, as `hop`. `over_ms` is the time after which an address is slow.
    """
    found = interleave(await addresses_of(route.to_host, attempt.tools))
    chosen = ([address for address in found if has_route(address)] or found)[:MOST_ADDRESSES]
    hop.enter(Stage.CONNECT)
    attempt.dns_ms = hop.phases().dns_ms
    attempt.made.clear()  # that was no request
    branches = [attempt.branch(replace(route, address=address)) for address in chosen]
    findings = await _look_at(attempt, branches, look, over_ms)
    _address_remarks(chosen, branches)
    attempt.hops = _worst(branches, findings).hops
    attempt.made.sort(key=attempt.hops.__contains__)  # the last request of all is the one that counts as the answer
    attempt.failed = {
        branch.hops[-1]: attempt.redact(finding.message or "") if attempt.redact else finding.message
        for branch, finding in zip(branches, findings, strict=True)
        if finding.verdict is Verdict.BAD
    }
    return join(found, chosen, findings)


async def _look_at(attempt: Attempt, branches: Sequence[Attempt], look: Look, over_ms: int | None) -> list[Finding]:
    """Return a finding for each branch, also for those that the deadline ends."""
    loop, ends_at = asyncio.get_running_loop(), attempt.deadline.when()
    assert ends_at is not None
    attempt.deadline.reschedule(ends_at + LATE_S)  # ours comes first, and tells who is late
    tasks = [asyncio.create_task(_look_once(branch, look, over_ms)) for branch in branches]
    try:
        done, late = await asyncio.wait(
            tasks, timeout=max(0.0, ends_at - loop.time()), return_when=asyncio.FIRST_EXCEPTION
        )
        for task in done:
            task.result()  # raises what is no finding
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    attempt.total_ms = attempt.elapsed_ms()
    if late:
        attempt.check_stall()
    pairs = zip(branches, tasks, strict=True)
    return [await branch.out_of_time() if task in late else task.result() for branch, task in pairs]


async def _look_once(branch: Attempt, look: Look, over_ms: int | None) -> Finding:
    try:
        finding = await look(branch)
    except TARGET_ERRORS as error:
        return classify(error)
    for hop in branch.hops:
        hop.end()
    return branch.judge_time(finding, branch.elapsed_ms(), over_ms)


def _worst(branches: Sequence[Attempt], findings: Sequence[Finding]) -> Attempt:
    """Return the branch whose times and status stand for the whole: a bad one, a slow one, or the slowest."""
    order = (Verdict.OK, Verdict.SLOW, Verdict.BAD)
    pairs = zip(branches, findings, strict=True)
    return max(pairs, key=lambda pair: (order.index(pair[1].verdict), pair[0].hops[-1].phases().total_ms))[0]


def _address_remarks(addresses: Sequence[str], branches: Sequence[Attempt]) -> None:
    """Put the address before each remark that is not the same for all addresses."""
    shared = set.intersection(*({remark for hop in branch.hops for remark in hop.remarks} for branch in branches))
    for address, branch in zip(addresses, branches, strict=True):
        for hop in branch.hops:
            hop.remarks = tuple(words if words in shared else f"{address}: {words}" for words in hop.remarks)


def has_route(address: str) -> bool:
    """Return whether this machine has a way to an address; many have no IPv6, which no target can help."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))  # sends nothing
    except OSError as error:
        if error.errno in OWN_LIMITS:
            raise
        return error.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def join(found: Sequence[str], checked: Sequence[str], findings: Sequence[Finding]) -> Finding:
    """Return the finding of all addresses, which names those that are not good."""
    if len(found) == 1:
        return findings[0]
    pairs = list(zip(checked, findings, strict=True))
    for verdict, one, several in ((Verdict.BAD, "fails", "fail"), (Verdict.SLOW, "is slow", "are slow")):
        if those := [(address, finding) for address, finding in pairs if finding.verdict is verdict]:
            words = f"{len(those)} of {len(pairs)} addresses {one if len(those) == 1 else several}: {_named(those)}"
            return Finding(verdict, those[0][1].error_type, printable(words, 500))
    remarked = [(address, finding) for address, finding in pairs if finding.message]
    remarks = [_named(remarked)] if remarked else []
    if skipped := [address for address in found if address not in checked]:
        remarks.insert(0, f"{len(pairs)} of {len(found)} addresses were checked, not {', '.join(skipped[:NAMED])}")
    return Finding(Verdict.OK, None, printable("; ".join(remarks), 500) or None)


def _named(those: Sequence[tuple[str, Finding]]) -> str:
    more = len(those) - NAMED
    listed = "; ".join(f"{address}: {finding.message}" for address, finding in those[:NAMED])
    return f"{listed}; and {more} more" if more > 0 else listed
