import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import trustme
import uvloop

from monitoring.probes import attempt
from monitoring.probes.model import ProbeResult, ProbeSpec
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.tls_contexts import make_context
from monitoring.probes.tools import Tools

Run = Callable[[Coroutine[Any, Any, Any]], Any]
IN_TIME_S = 10.0  # far from for ever, and yet long past every deadline here, however busy the machine


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine on the loop of production, and on the plain one."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine stand still for longer than a probe worker may."""
    for limit in ("STALL_MS", "STALL_LEAST_MS"):
        monkeypatch.setattr(attempt, limit, 1000 * IN_TIME_S)


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(ca: trustme.CA) -> ssl.SSLContext:
    """Return a client's context that trusts our authority, besides the usual ones."""
    context = make_context()
    ca.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def tools(trusting: ssl.SSLContext) -> Tools:
    """Return tools for targets that need no DNS."""
    return Tools(resolver=Resolver([]), tls=trusting)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Return a port of 127.0.0.1 that answers no SYN: its queue of connections is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def make_spec(url: str, **changes: Any) -> ProbeSpec:
    """Make a spec; a test names the fields that it cares about."""
    fields: dict[str, Any] = {
        "service_id": "api",
        "region": "local",
        "version": 1,
        "url": url,
        "timeout_ms": 2_000,
        "interval_ms": 60_000,
        "due_at_ms": 1_800_000_000_000,
        "expires_at_ms": 1_800_000_060_000,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    return ProbeSpec(**(fields | changes))


def why(result: ProbeResult) -> tuple[str | None, str | None]:
    """Return class and words of a failure."""
    return result.error_type, result.error_message


async def until(is_so: Callable[[], bool], within_s: float = IN_TIME_S) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
