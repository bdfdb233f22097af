"""TLS inside our own protocol, over memory buffers.

Not `start_tls`: this way the handshake is a phase of its own, nothing waits for a shutdown that probes do not need, and
after a failed verification the server's certificate can still be read, without a second connection.
"""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx

from monitoring.probes.failures import tls_words
from monitoring.probes.net.certificates import certificate_words

READ_BYTES = 64 * 1024


class Peer(NamedTuple):
    """The server's side of a handshake; certificates in the form of `getpeercert()`, its own one first."""

    version: str  # TLSv1.3
    chain: Sequence[Mapping[str, Any]]  # up to the trusted authority if verified, else its own one only


class TlsLayer:
    """One client handshake and the records after it. Bytes in, bytes out; touches no socket."""

    __slots__ = ("_host", "_incoming", "_outgoing", "_tls", "is_open")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._host = host
        self.is_open = False

    def handshake(self, data: bytes, now_s: float) -> None:
        """Continue with the server's data. Raises `httpx.ConnectError`; in that case `outgoing` has our alert."""
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLCertVerificationError as error:
            words = certificate_words(error, self._unverified_certificate(), self._host, now_s)
            raise httpx.ConnectError(words) from error
        except ssl.SSLError as error:
            raise httpx.ConnectError(tls_words(error)) from error
        self.is_open = True

    def outgoing(self) -> bytes:
        """Return the data to send, once."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Turn plain bytes into records."""
        self._tls.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes, most: int) -> tuple[list[bytes], bool]:
        """Turn bytes into the contents of at most about `most` records; the second value says that no more will come.

        More records than that in one read are left unread: each costs us, however little is in it.
        """
        self._incoming.write(data)
        chunks: list[bytes] = []
        try:
            while len(chunks) <= most and (chunk := self._tls.read(READ_BYTES)):
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            return chunks, False
        except ssl.SSLZeroReturnError:
            return chunks, True
        except ssl.SSLError as error:
            if chunks:
                return chunks, True  # what came before the fault still counts
            raise httpx.ReadError(tls_words(error).replace("handshake failed", "connection broke")) from error
        return chunks, len(chunks) <= most

    def peer(self) -> Peer:
        """Return the server's side of the handshake, after it."""
        chain = [certificate.get_info() for certificate in self._chain("get_verified_chain")]
        own = [certificate.get_info() for certificate in self._chain("get_unverified_chain")[:1]]
        return Peer(self._tls.version() or "no TLS", (chain if self._is_verified() else own) or own)

    def _is_verified(self) -> bool:
        return self._tls.context.verify_mode is ssl.CERT_REQUIRED

    def _unverified_certificate(self) -> Mapping[str, Any] | None:
        chain = self._chain("get_unverified_chain")
        return chain[0].get_info() if chain else None

    def _chain(self, name: str) -> Sequence[Any]:
        # `getpeercert()` refuses before a handshake is complete, and says nothing of what was not verified. OpenSSL 3
        # keeps the chain it rejected, and this, the only way to it, is public since Python 3.13 (in DER, which would
        # need a parser). Words do without it.
        found: Sequence[Any] | None = getattr(getattr(self._tls, "_sslobj", None), name, list)()
        return found or []
