"""Connect to a target with several addresses by Happy Eyeballs (RFC 8305)."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import Any, Protocol, TypeVar, cast

import httpx

from monitoring.probes.failures import NotAllowed, connect_words
from monitoring.probes.net.address import refusal
from monitoring.probes.net.timeline import Hop
from monitoring.probes.tools import Tools

STAGGER_S = 0.25  # RFC 8305, 5: Connection Attempt Delay
NAMED_FAILURES = 3

T = TypeVar("T")


class Refused(httpx.ConnectError):
    """A host answered that nothing listens there."""


class Abortable(Protocol):
    """A connection; its creator must abort it in the end."""

    def abort(self) -> None: ...


C = TypeVar("C", bound=Abortable)


async def addresses_of(host: str, tools: Tools) -> list[str]:
    """Return the addresses of a host that may be dialled. Raises `ResolutionFailed` or `NotAllowed`."""
    addresses = await tools.resolver.resolve(host)
    refusals = [refusal(address, tools.policy) for address in addresses]
    good = [address for address, reason in zip(addresses, refusals, strict=True) if reason is None]
    if not good:
        raise NotAllowed(refusals[0] if addresses[0] == host else f"{host}: {refusals[0]}")
    return good


async def doors_of(host: str, port: int, tools: Tools) -> tuple[list[str], int]:
    """Return the addresses and the port to dial for a host and port, on the route of the attempt. Raises as above."""
    route = tools.route
    if route is None or not route.leads(host, port):
        return await addresses_of(host, tools), port
    addresses = [route.address] if route.address else await addresses_of(route.to_host, tools)
    return addresses, route.to_port or port


async def connect(addresses: Sequence[str], port: int, make: Callable[[], C], hop: Hop) -> C:
    """Return a connection to the first address that accepts one. Raises `httpx.ConnectError` when none does."""
    if len(addresses) == 1:
        return await dial(addresses[0], port, make, hop)
    made: list[C] = []

    def make_and_note() -> C:
        made.append(make())
        return made[-1]

    winner = None
    try:
        dials = [partial(dial, address, port, make_and_note, hop) for address in interleave(addresses)]
        winner = await race(dials)
        return winner
    finally:
        for connection in made:
            if connection is not winner:
                connection.abort()


def interleave(addresses: Sequence[str]) -> list[str]:
    """Alternate between IPv6 and IPv4, beginning with the family of the first address."""
    first_is_v6 = ":" in addresses[0]
    first = [address for address in addresses if (":" in address) == first_is_v6]
    other = [address for address in addresses if (":" in address) != first_is_v6]
    return [address for address in chain.from_iterable(zip_longest(first, other)) if address is not None]


def endpoint(address: str, port: int) -> str:
    """Format an address and port: `10.0.0.5:443`, `[::1]:443`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


async def dial(address: str, port: int, make: Callable[[], C], hop: Hop) -> C:
    """Connect to one address. Raises `Refused` or another `httpx.ConnectError`."""
    peer = hop.peer = endpoint(address, port)
    try:
        # The factory's type is that of asyncio.Protocol, which says nothing of `abort`.
        _, connection = await asyncio.get_running_loop().create_connection(cast(Any, make), address, port)
    except ConnectionRefusedError as error:
        raise Refused(connect_words(error, peer)) from error
    except OSError as error:
        raise httpx.ConnectError(connect_words(error, peer)) from error
    hop.peer = peer  # in a race a later attempt has put its own name there
    return cast(C, connection)


async def race(attempts: Iterable[Callable[[], Coroutine[Any, Any, T]]]) -> T:
    """Start the next attempt when the last one failed or takes longer than `STAGGER_S`. The first success wins."""
    waiting, failures = deque(attempts), list[httpx.ConnectError]()
    running: set[asyncio.Task[T]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(waiting.popleft()()))
            done, running = await asyncio.wait(
                running, timeout=STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            won = [task for task in done if not isinstance(task.exception(), httpx.ConnectError)]
            failures += [cast(httpx.ConnectError, task.exception()) for task in done if task not in won]
            if won:
                return won[0].result()
    finally:
        for task in running:
            task.cancel()
        # Until they have ended, their sockets are open; a loop that is closed meanwhile may wait for them for ever.
        await asyncio.gather(*running, return_exceptions=True)
    raise httpx.ConnectError(_all_failed(failures))


def _all_failed(failures: Sequence[httpx.ConnectError]) -> str:
    words = [str(failure) for failure in failures]
    more = len(words) - NAMED_FAILURES
    listed = "; ".join(words[:NAMED_FAILURES])
    return f"none of {len(words)} addresses accepts a connection: {listed}" + (f"; and {more} more" if more > 0 else "")
