"""TLS inside our own protocol, over memory buffers.

Not `start_tls`: this way the handshake is a phase of its own, nothing waits for a shutdown that probes do not need, and
after a failed verification the server's certificate can still be read, without a second connection.
"""

import ssl
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import httpx

from monitoring.probes.net.certificates import certificate_words
from monitoring.probes.net.tls_words import answers_request, asks_for_certificate, tls_words

READ_BYTES = 64 * 1024


class Peer(NamedTuple):
    """The server's side of a handshake; certificates in the form of `getpeercert()`, its own one first."""

    version: str  # TLSv1.3
    suite: str  # TLS_AES_256_GCM_SHA384, or ECDHE-RSA-AES128-GCM-SHA256 before TLS 1.3
    chain: Sequence[Mapping[str, Any]]  # up to the trusted authority if verified, else its own one only


class TlsLayer:
    """One client handshake and the records after it. Bytes in, bytes out; touches no socket."""

    __slots__ = (
        "_has_certificate",
        "_host",
        "_incoming",
        "_outgoing",
        "_received",
        "_tls",
        "is_certificate_asked",
        "is_open",
    )

    def __init__(self, context: ssl.SSLContext, host: str, *, has_certificate: bool = False) -> None:
        """Begin with the host as server name; `has_certificate` says whether the context has a client certificate."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._host = host
        self._has_certificate = has_certificate
        self._received = b""  # of the handshake; up to TLS 1.2 it shows whether a client certificate is asked for
        self.is_certificate_asked = False  # whether the server still has to judge our certificate, or its absence
        self.is_open = False

    def handshake(self, data: bytes, now_s: float) -> None:
        """Continue with the server's data. Raises `httpx.ConnectError`; in that case `outgoing` has our alert."""
        self._incoming.write(data)
        self._received += data
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.is_certificate_asked = asks_for_certificate(self._received)
            return
        except ssl.SSLCertVerificationError as error:
            chain = [_info(each) for each in self._chain("get_unverified_chain")]
            raise httpx.ConnectError(certificate_words(error, chain, self._host, now_s)) from error
        except ssl.SSLError as error:
            raise httpx.ConnectError(self._words(error)) from error
        self.is_open = True
        self._received = b""
        if self._tls.version() == "TLSv1.3":
            flight = self._outgoing.read()
            self._outgoing.write(flight)
            self.is_certificate_asked = answers_request(flight)

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
            self.is_certificate_asked = self.is_certificate_asked and not chunks
            return chunks, False
        except ssl.SSLZeroReturnError:
            return chunks, True
        except ssl.SSLError as error:
            if chunks:
                return chunks, True  # what came before the fault still counts
            raise self._broke(error) from error
        self.is_certificate_asked = False
        return chunks, len(chunks) <= most

    def peer(self) -> Peer:
        """Return the server's side of the handshake, after it."""
        is_verified = self._tls.context.verify_mode is ssl.CERT_REQUIRED
        found = self._chain("get_verified_chain") if is_verified else self._chain("get_unverified_chain")[:1]
        suite, version, _ = self._tls.cipher() or ("no cipher", "no TLS", 0)
        return Peer(self._tls.version() or version, suite, [_info(certificate) for certificate in found])

    def _broke(self, error: ssl.SSLError) -> httpx.NetworkError:
        words = self._words(error)
        if self.is_certificate_asked and "client certificate" in words:
            return httpx.ConnectError(words)
        return httpx.ReadError(words.replace("handshake failed", "connection broke"))

    def _words(self, error: ssl.SSLError) -> str:
        asked, has_certificate = self.is_certificate_asked, self._has_certificate
        return tls_words(error, is_certificate_asked=asked, has_certificate=has_certificate)

    def _chain(self, name: str) -> Sequence[Any]:
        # `getpeercert()` refuses before a handshake is complete, and says nothing of what was not verified. OpenSSL 3
        # keeps the chain it rejected, and this, the only way to it, is public since Python 3.13 (in DER, which would
        # need a parser). Words do without it.
        found: Sequence[Any] | None = getattr(getattr(self._tls, "_sslobj", None), name, list)()
        return found or []


@lru_cache(maxsize=4_096)
def _info(certificate: Any) -> Mapping[str, Any]:
    """Return a certificate in the form of `getpeercert()`; parsed once, as it takes longer than all around it."""
    found: Mapping[str, Any] = certificate.get_info()
    return found
