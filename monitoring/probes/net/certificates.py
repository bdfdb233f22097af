"""Certificate faults in words, and how long certificates last."""

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from monitoring.probes.failures import printable
from monitoring.probes.net.address import literal

# X509_V_ERR_… of OpenSSL's x509_vfy.h
NOT_YET_VALID = 9
EXPIRED = 10
SELF_SIGNED = 18
NO_ISSUER = {2, 20, 21}
UNTRUSTED = {19, 24, 27}
WRONG_NAME = {62, 64}
SELF_SIGNED_WORDS = "TLS certificate is self-signed"
UNTRUSTED_WORDS = "TLS certificate is signed by an authority that is not trusted"
TOO_WEAK = {
    66: "TLS certificate has a key that is too weak",
    67: "TLS certificate is signed by an authority whose key is too weak",
    68: "TLS certificate is signed with a hash that is too weak",
}
DAY_S = 86_400


def certificate_words(
    error: ssl.SSLCertVerificationError, chain: Sequence[Mapping[str, Any]], host: str, now_s: float
) -> str:
    """Return what is wrong with a certificate: `TLS certificate expired 3 days ago`.

    `chain` is what the server sent, in the form of `getpeercert()`, its own certificate first; without it the words
    are less exact.
    """
    own = chain[0] if chain else None
    if error.verify_code == EXPIRED:
        return expired_words(own, now_s)
    if error.verify_code == NOT_YET_VALID and own is not None:
        return _not_yet(own)
    if error.verify_code == SELF_SIGNED:
        return SELF_SIGNED_WORDS
    if error.verify_code in NO_ISSUER and len(chain) == 1:
        return f"{UNTRUSTED_WORDS}, and the server sent no intermediate certificate: {name_of(chain[0], 'issuer')}"
    if error.verify_code in NO_ISSUER or error.verify_code in UNTRUSTED:
        return UNTRUSTED_WORDS
    if error.verify_code in WRONG_NAME:
        return wrong_name_words(own, host)
    return TOO_WEAK.get(error.verify_code, f"TLS certificate is not accepted: {error.verify_message}")


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
    return None if is_for(own, host) else wrong_name_words(own, host)


def is_for(certificate: Mapping[str, Any], host: str) -> bool:
    """Return whether a certificate names a host (RFC 9525, 6)."""
    address = literal(host)
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "IP Address" and address is not None and literal(name) == address:
            return True
        if kind == "DNS" and address is None and _covers(name.lower(), host.lower()):
            return True
    return False


def _covers(pattern: str, host: str) -> bool:
    """Return whether a name in a certificate stands for a host; `*.com` stands for none."""
    label, _, domain = host.partition(".")
    return pattern == host or (pattern == f"*.{domain}" and label != "" and "." in domain)


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


def ends_at_s(certificate: Mapping[str, Any]) -> int:
    return _unix_time(certificate["notAfter"])


@lru_cache(maxsize=4_096)  # for each certificate of every handshake
def _unix_time(text: str) -> int:
    return ssl.cert_time_to_seconds(text)


def expiry_words(chain: Sequence[Mapping[str, Any]], now_s: float, host: str = "") -> str:
    """Return when the certificate of a chain that expires first does so; `host` says whose chain it is."""
    first = min(chain, key=ends_at_s)
    left_s = ends_at_s(first) - now_s
    if left_s < 0:
        return expired_words(first, now_s)
    whose = "TLS certificate" if first is chain[0] else f"TLS certificate of the authority {name_of(first)}"
    on = datetime.fromtimestamp(ends_at_s(first), UTC)
    return f"{whose}{f' for {host}' if host else ''} expires in {in_words(left_s)}, on {on:%Y-%m-%d}"


def name_of(certificate: Mapping[str, Any], part: str = "subject") -> str:
    """Return a name of the holder (or with `issuer` of the signer) for people."""
    names = {key: value for parts in certificate.get(part, ()) for key, value in parts}
    return printable(names.get("commonName") or names.get("organizationName") or "without a name")


def wrong_name_words(certificate: Mapping[str, Any] | None, host: str) -> str:
    """Return for which names a certificate is, none of which is the host."""
    names = [value for _, value in (certificate or {}).get("subjectAltName", ())]
    if certificate is not None and not names:
        return f"TLS certificate names no host, only the common name {name_of(certificate)}, which browsers ignore"
    shown = ", ".join(printable(name) for name in names[:3]) or "another name"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"TLS certificate is for {shown}{more}, not {host}"
