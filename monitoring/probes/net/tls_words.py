"""Say why a TLS connection failed for another reason than the server's certificate.

OpenSSL's reason is a symbol that each Python knows from a table of its own, and a text where the table is too old. Both
are compared as text.
"""

import re
import ssl
from collections.abc import Iterator

NO_VERSION = "server offers no protocol version that we accept"
NO_TLS = "server does not speak TLS on this port"
NOTHING_IN_COMMON = "server has no cipher suite in common with us, or wants another name"
NEEDS_CERTIFICATE = "server requires a client certificate"

_WORDS = {
    "unsupported protocol": NO_VERSION,
    "tlsv1 alert protocol version": NO_VERSION,
    "unsupported ssl version": NO_VERSION,
    "no protocols available": NO_VERSION,
    "wrong version number": NO_TLS,
    "http request": NO_TLS,
    "record layer failure": NO_TLS,
    "sslv3 alert handshake failure": NOTHING_IN_COMMON,
    "tlsv1 alert insufficient security": "server demands a stronger cipher suite than we offer",
    "wrong cipher returned": "server chose a cipher suite that we did not offer",
    "unknown cipher returned": "server chose a cipher suite that we did not offer",
    "tlsv1 unrecognized name": "server does not know this name",
    "tlsv13 alert certificate required": NEEDS_CERTIFICATE,
    "dh key too small": "server's key exchange is too weak",
    "ee key too small": "server's certificate has a key that is too weak",
    "legacy sigalg disallowed or unsupported": "server signs the handshake with SHA-1, which is too weak",
    "wrong signature type": "server signs the handshake in a way that we did not offer",
    "unsafe legacy renegotiation disabled": "server lacks secure renegotiation (RFC 5746)",
    "tls/ssl connection has been closed (eof)": "server closed the connection",
}
# Alerts with which servers refuse a client certificate, or its absence (RFC 8446, 6.2).
_ALERTS_ABOUT_CERTIFICATES = re.compile(
    "alert (handshake failure|bad certificate|unsupported certificate|certificate (revoked|expired|unknown|required)"
    "|unknown ca|access denied|decrypt error)"
)
_AROUND = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")

HANDSHAKE, APPLICATION_DATA, CERTIFICATE_REQUEST = 22, 23, 13


def tls_words(error: ssl.SSLError, *, is_certificate_asked: bool, has_certificate: bool) -> str:
    """Return why a handshake failed; whether the server asked for a client certificate decides what an alert means."""
    reason = reason_of(error)
    if is_certificate_asked and _ALERTS_ABOUT_CERTIFICATES.search(reason):
        words = f"server refused our client certificate ({reason})" if has_certificate else NEEDS_CERTIFICATE
    else:
        words = _WORDS.get(reason, reason)
    return f"TLS handshake failed: {words}"


def reason_of(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason in lower case: `tlsv1 alert protocol version`."""
    text = (error.reason or "").replace("_", " ") or _AROUND.sub("", str(error.args[-1]) if error.args else "")
    # OpenSSL 3.2 renamed the texts of the oldest alerts, not their symbols.
    return text.lower().replace("ssl/tls alert", "sslv3 alert") or "unknown reason"


def asks_for_certificate(received: bytes) -> bool:
    """Return whether the server's part of a handshake, up to TLS 1.2, asks for a client certificate."""
    return CERTIFICATE_REQUEST in _messages(received)


def answers_request(flight: bytes) -> bool:
    """Return whether a client's last part of a handshake of TLS 1.3 has more in it than the message Finished.

    The server's request is encrypted, but to answer it we send a message Certificate, be it empty, in its own record.
    """
    at, records = 0, 0
    while at + 5 <= len(flight):
        records += flight[at] == APPLICATION_DATA
        at += 5 + int.from_bytes(flight[at + 3 : at + 5], "big")
    return records > 1


def _messages(received: bytes) -> Iterator[int]:
    """Yield the types of the handshake messages that are readable (RFC 5246, 6.2.1 and 7.4)."""
    plain, at = bytearray(), 0
    while at + 5 <= len(received) and received[at] == HANDSHAKE:
        length = int.from_bytes(received[at + 3 : at + 5], "big")
        plain += received[at + 5 : at + 5 + length]
        at += 5 + length
    at = 0
    while at + 4 <= len(plain):
        yield plain[at]
        at += 4 + int.from_bytes(plain[at + 1 : at + 4], "big")
