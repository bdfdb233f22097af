"""One TCP connection to a target, for one request."""

import asyncio
from typing import Generic, Protocol, TypeVar, cast

import httpx

from monitoring.probes.failures import lost_words
from monitoring.probes.net.timeline import Hop
from monitoring.probes.net.tls import Peer, TlsLayer

PIECES = 4_096  # reads of one connection; 1 MiB in packets of usual size is 800. Each costs us, however small it is


class Reading(Protocol):
    """The consumer of arriving bytes. The waiting `exchange` raises its exceptions."""

    is_complete: bool

    def feed(self, data: bytes) -> None: ...
    def feed_eof(self, error: Exception | None = None) -> None: ...
    def cut(self) -> None:
        """End reading early. Raises if incomplete data is a failure; otherwise it is complete."""

    def close(self) -> None: ...


R = TypeVar("R", bound=Reading)


class Connection(asyncio.Protocol, Generic[R]):
    """Feed arriving bytes to the TLS handshake, then to the answer; wake the waiting method when either is done.

    The creator of a connection must `abort` it, also after success: there is no keep-alive and no orderly shutdown.
    """

    __slots__ = ("_hop", "_is_aborted", "_is_settled", "_outcome", "_pieces", "_tls", "_transport", "_waiter", "answer")

    def __init__(self, hop: Hop, answer: R, tls: TlsLayer | None = None) -> None:
        self.answer = answer
        self._hop = hop
        self._tls = tls
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._outcome: Exception | None = None
        self._pieces = 0
        self._is_settled = False  # the answer is complete, or `_outcome` says what failed
        self._is_aborted = False

    async def handshake(self) -> None:
        """Secure the connection. Raises `httpx.ConnectError`."""
        assert self._tls is not None
        self._advance(b"")
        if not self._tls.is_open and not self._is_settled:
            await self._woken()
        if self._outcome is not None:
            raise self._outcome

    def peer(self) -> Peer:
        """Return the server's side of the handshake."""
        assert self._tls is not None
        return self._tls.peer()

    async def exchange(self, request: bytes) -> None:
        """Send a request and wait until the answer is complete. Raises `httpx.NetworkError` or `ProtocolError`."""
        if self._transport is not None:
            self._transport.write(self._tls.encrypt(request) if self._tls else request)
        if not self._is_settled:
            await self._woken()
        if self._outcome is not None:
            raise self._outcome

    def abort(self) -> None:
        """Close immediately and release everything."""
        self._is_aborted = True
        self._outcome = None  # its traceback leads back here, which would leave a cycle to collect
        self.answer.close()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # Callbacks of the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._is_aborted:
            cast(asyncio.Transport, transport).abort()
        else:
            self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._is_aborted and not self._is_settled:
            self._pieces += 1
            self._advance(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._is_aborted and not self._is_settled:
            self._advance(None, exc)

    def _advance(self, data: bytes | None, lost: Exception | None = None) -> None:
        """Take bytes, or None for the end of the connection."""
        # The loop would treat an exception from here as the end of the connection, and so a bug of ours as a failure of
        # the target. Therefore the waiting method raises it, like all others.
        try:
            if self._tls is not None and not self._tls.is_open:
                self._shake_hands(data, lost)
            else:
                self._take_answer(data, lost)
        except Exception as error:  # noqa: BLE001  the probe raises it
            self._settle(error)

    def _shake_hands(self, data: bytes | None, lost: Exception | None) -> None:
        assert self._tls is not None
        if data is None:
            raise httpx.ConnectError(lost_words(lost, self._hop))
        if self._pieces > PIECES:
            raise httpx.ConnectError(f"TLS handshake failed: {self._hop.peer} sent it in more than {PIECES} pieces")
        try:
            self._tls.handshake(data, self._hop.started_at_ms / 1000)
        finally:
            self._hop.is_certificate_asked = self._tls.is_certificate_asked
            if self._transport is not None and (outgoing := self._tls.outgoing()):
                self._transport.write(outgoing)
        if self._tls.is_open:
            self._wake()

    def _take_answer(self, data: bytes | None, lost: Exception | None) -> None:
        if data is None:
            self.answer.feed_eof(lost)
        elif self._tls is None:
            self.answer.feed(data)
        else:
            self._take_records(data)
        if self._pieces > PIECES and not self.answer.is_complete:
            self.answer.cut()
        if self.answer.is_complete:
            self._settle(None)

    def _take_records(self, data: bytes) -> None:
        assert self._tls is not None
        plain, is_end = self._tls.decrypt(data, PIECES)
        self._pieces += len(plain)
        if plain:
            self.answer.feed(b"".join(plain))
        if is_end and not self.answer.is_complete:
            self.answer.feed_eof()

    def _settle(self, outcome: Exception | None) -> None:
        if not self._is_settled:
            self._is_settled = True
            self._outcome = outcome
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _woken(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
