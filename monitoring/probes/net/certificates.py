"""Certificate faults in words, and the TLS settings of a probe."""

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitoring.probes.failures import printable
from monitoring.probes.net.address import literal

# X509_V_ERR_… of OpenSSL's x509_vfy.h
NOT_YET_VALID = 9
EXPIRED = 10
SELF_SIGNED = 18
UNTRUSTED = {2, 19, 20, 21, 24, 27}
WRONG_NAME = {62, 64}
SELF_SIGNED_WORDS = "TLS certificate is self-signed"


def client_context() -> ssl.SSLContext:
    """Return the context that all probes share; loading the trusted authorities is slow, so make it once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def unverified_context() -> ssl.SSLContext:
    """Return the context for targets whose certificate is not to be judged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def certificate_words(
    error: ssl.SSLCertVerificationError, certificate: Mapping[str, Any] | None, host: str, now_s: float
) -> str:
    """Return what is wrong with a certificate: `TLS certificate expired 3 days ago`.

    `certificate` is the server's own one in the form of `getpeercert()`; without it the words are less exact.
    """
    if error.verify_code == EXPIRED:
        return expired_words(certificate, now_s)
    if error.verify_code == NOT_YET_VALID and certificate is not None:
        return _not_yet(certificate)
    if error.verify_code == SELF_SIGNED:
        return SELF_SIGNED_WORDS
    if error.verify_code in UNTRUSTED:
        return "TLS certificate is signed by an authority that is not trusted"
    if error.verify_code in WRONG_NAME:
        return f"TLS certificate is for {_names(certificate)}, not {host}"
    return f"TLS certificate is not accepted: {error.verify_message}"


def fault_of(chain: Sequence[Mapping[str, Any]], host: str, now_s: float) -> str | None:
    """Return what is wrong with an unverified certificate, as far as can be seen without authorities, or None."""
    if not chain:
        return None
    own = chain[0]
    if ssl.cert_time_to_seconds(own["notAfter"]) < now_s:
        return expired_words(own, now_s)
    if ssl.cert_time_to_seconds(own["notBefore"]) > now_s:
        return _not_yet(own)
    if own.get("subject") == own.get("issuer"):
        return SELF_SIGNED_WORDS
    return None if is_for(own, host) else f"TLS certificate is for {_names(own)}, not {host}"


def is_for(certificate: Mapping[str, Any], host: str) -> bool:
    """Return whether a certificate names a host (RFC 9525, 6)."""
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "IP Address" and literal(name) == literal(host) and literal(host) is not None:
            return True
        if kind == "DNS" and (name.lower() == host.lower() or _covers(name.lower(), host.lower())):
            return True
    return False


def _covers(pattern: str, host: str) -> bool:
    return pattern.startswith("*.") and host.partition(".")[2] == pattern[2:]


def _not_yet(certificate: Mapping[str, Any]) -> str:
    valid_from = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notBefore"]), UTC)
    return f"TLS certificate is not valid before {valid_from:%Y-%m-%d %H:%M} UTC"


def expired_words(certificate: Mapping[str, Any] | None, now_s: float) -> str:
    """Return since when a certificate, or the authority behind it, has expired."""
    if certificate is None:
        return "TLS certificate has expired"
    age_s = now_s - ssl.cert_time_to_seconds(certificate["notAfter"])
    if age_s < 0:  # the server's own is still good
        return "TLS certificate is signed by an authority whose own certificate has expired"
    return f"TLS certificate expired {in_words(age_s)} ago"


def in_words(age_s: float) -> str:
    """Format a length of time in its largest unit: `3 days`."""
    for unit, length_s in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(age_s // length_s)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _names(certificate: Mapping[str, Any] | None) -> str:
    names = [value for _, value in (certificate or {}).get("subjectAltName", ())]
    if not names:
        return "another name"
    shown = ", ".join(printable(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
