"""The reachability probe: does a host answer at all? By TCP, since ICMP needs privileges that we don't want.

A refused connection counts, too, as the host has refused it.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from monitoring.probes.attempt import Attempt
from monitoring.probes.every_address import look_along
from monitoring.probes.kind import Kind
from monitoring.probes.kinds.tcp import Expected
from monitoring.probes.model import Finding, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.connect import Refused, dial, doors_of, interleave, race
from monitoring.probes.net.connection import Connection
from monitoring.probes.net.route import ALL, addresses, route_of
from monitoring.probes.net.timeline import Hop, Stage
from monitoring.probes.settings import Notes, Settings, degraded_over, setting
from monitoring.probes.target import Port, Target, read_target
from monitoring.probes.tools import Tools

PORTS = 8
ATTEMPTS = 16  # addresses × ports


def read_ports(value: Any, notes: Notes) -> tuple[int, ...]:
    """Read a port or a list of them. A `Reader`."""
    found = list(value) if isinstance(value, list | tuple) else [value]
    if not 0 < len(found) <= PORTS:
        notes.add("enter from 1 to %(count)s ports.", value, count=PORTS)
    for each in found:
        if isinstance(each, bool) or not isinstance(each, int) or not 0 < each < 65536:
            notes.add("%(value)s is not a port. Enter whole numbers from 1 to 65535.", each)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachSettings(Settings):
    """Settings of `kind: reach`."""

    ports: tuple[int, ...] = setting(
        (443, 80, 22),
        label="Ports",
        placeholder="[443, 80, 22]",
        help="Ports to try; one response is enough, even a refused connection.",
        reader=read_ports,
        example=[443, 22],
    )
    addresses: str = addresses()
    degraded_over_ms: int | None = degraded_over()


async def probe(spec: ProbeSpec, settings: ReachSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Connect to the ports until one of them answers."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look() -> Finding:
        target = _read_target(spec.url)
        if settings.addresses != ALL:
            return await look_at(attempt)
        route = route_of(target.host, 0, None)
        return await look_along(attempt, look_at, route, settings, url=spec.url, method="TCP")

    async def look_at(branch: Attempt) -> Finding:
        target = _read_target(spec.url)
        hop = branch.begin(spec.url, target.host, "TCP")
        found, _port = await doors_of(target.host, 0, branch.tools)
        hop.enter(Stage.CONNECT)
        # Each address at the first port, then each at the second: another address is likelier to help.
        doors = [(address, port) for port, address in product(settings.ports, interleave(found))][:ATTEMPTS]
        await race([_knock(address, port, hop) for address, port in doors])
        hop.enter(Stage.FIRST_BYTE)
        return Finding(Verdict.OK)

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms)


def _knock(address: str, port: int, hop: Hop) -> Callable[[], Coroutine[Any, Any, None]]:
    return partial(_is_answered, address, port, hop)


async def _is_answered(address: str, port: int, hop: Hop) -> None:
    made: list[Connection[Expected]] = []

    def make() -> Connection[Expected]:
        made.append(Connection(hop, Expected(hop, b"")))
        return made[-1]

    try:
        await dial(address, port, make, hop)
    except Refused:
        return
    finally:
        for connection in made:
            connection.abort()


def _read_target(url: str) -> Target:
    return read_target(url, "host", Port.NONE)


KIND = Kind(
    name="reach",
    label="Host reachability",
    settings=ReachSettings,
    schemes=("host",),
    check_url=_read_target,
    probe=probe,
)
