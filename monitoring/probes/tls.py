"""TLS inside our own protocol, over memory buffers.

Not `start_tls`: this way the handshake is a phase of its own, nothing waits for a shutdown that probes do not need, and
after a failed verification the server's certificate can still be read, without a second connection.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from monitoring.probes.certificates import certificate_words
from monitoring.probes.failures import tls_words

READ_BYTES = 64 * 1024


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
        """Take what the server said and go on. Raises `httpx.ConnectError` in words; then `outgoing` has our alert."""
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
        """Take what is to be sent."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Turn plain bytes into records."""
        self._tls.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """Turn records into plain bytes; the second value says that the server closed its side."""
        self._incoming.write(data)
        chunks = []
        try:
            while chunk := self._tls.read(READ_BYTES):
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            return b"".join(chunks), False
        except ssl.SSLZeroReturnError:
            return b"".join(chunks), True
        except ssl.SSLError as error:
            if chunks:
                return b"".join(chunks), True  # what came before the fault still counts
            raise httpx.ReadError(tls_words(error).replace("handshake failed", "connection broke")) from error
        return b"".join(chunks), True

    def _unverified_certificate(self) -> Mapping[str, Any] | None:
        # `getpeercert()` refuses before a handshake is complete. OpenSSL 3 keeps the chain it rejected, and this, the
        # only way to it, is public since Python 3.13 (in DER, which would need a parser). Words do without it.
        chain: list[Any] = getattr(getattr(self._tls, "_sslobj", None), "get_unverified_chain", list)()
        return chain[0].get_info() if chain else None
