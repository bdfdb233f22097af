"""Reach a target that has several addresses: Happy Eyeballs (RFC 8305), its connecting half."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import httpx

from monitoring.probes.connection import Connection
from monitoring.probes.failures import connect_words
from monitoring.probes.timeline import Hop

STAGGER_S = 0.25  # RFC 8305, 5: Connection Attempt Delay
NAMED_FAILURES = 3

Make = Callable[[], Connection]


async def connect(addresses: Sequence[str], port: int, make: Make, hop: Hop) -> Connection:
    """Return a connection to the first address that accepts one. Raises `httpx.ConnectError` when none does."""
    if len(addresses) == 1:
        return await _dial(addresses[0], port, make, hop)
    return await _race(interleave(addresses), port, make, hop)


def interleave(addresses: Sequence[str]) -> list[str]:
    """Alternate between IPv6 and IPv4, beginning with the family of the first address."""
    first_is_v6 = ":" in addresses[0]
    first = [address for address in addresses if (":" in address) == first_is_v6]
    other = [address for address in addresses if (":" in address) != first_is_v6]
    return [address for address in chain.from_iterable(zip_longest(first, other)) if address is not None]


def endpoint(address: str, port: int) -> str:
    """Write an address and port as people do: `10.0.0.5:443`, `[::1]:443`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


async def _dial(address: str, port: int, make: Make, hop: Hop) -> Connection:
    peer = hop.peer = endpoint(address, port)
    try:
        _, connection = await asyncio.get_running_loop().create_connection(make, address, port)
    except OSError as error:
        raise httpx.ConnectError(connect_words(error, peer)) from error
    hop.peer = peer  # in a race a later attempt has put its own name there
    return connection


async def _race(addresses: Sequence[str], port: int, make: Make, hop: Hop) -> Connection:
    """Start an attempt when the last one failed, or has not succeeded for a while. The first success wins."""
    made: list[Connection] = []

    def make_and_note() -> Connection:
        made.append(make())
        return made[-1]

    waiting, failures, winner = deque(addresses), list[httpx.ConnectError](), None
    running: set[asyncio.Task[Connection]] = set()
    try:
        while winner is None and (waiting or running):
            if waiting:
                running.add(asyncio.create_task(_dial(waiting.popleft(), port, make_and_note, hop)))
            done, running = await asyncio.wait(
                running, timeout=STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                try:
                    winner = winner or task.result()
                except httpx.ConnectError as error:
                    failures.append(error)
    finally:
        for task in running:
            task.cancel()
        for connection in made:
            if connection is not winner:
                connection.abort()
    if winner is None:
        raise httpx.ConnectError(_all_failed(failures))
    return winner


def _all_failed(failures: Sequence[httpx.ConnectError]) -> str:
    words = [str(failure) for failure in failures]
    more = len(words) - NAMED_FAILURES
    listed = "; ".join(words[:NAMED_FAILURES])
    return f"none of {len(words)} addresses accepts a connection: {listed}" + (f"; and {more} more" if more > 0 else "")
