"""Certificate faults in words, and the TLS settings of a probe."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitoring.probes.failures import printable

# X509_V_ERR_… of OpenSSL's x509_vfy.h
NOT_YET_VALID = 9
EXPIRED = 10
SELF_SIGNED = 18
UNTRUSTED = {2, 19, 20, 21, 24, 27}
WRONG_NAME = {62, 64}


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
    """Say what is wrong with a certificate: `TLS certificate expired 3 days ago`.

    `certificate` is the server's own one in the form of `getpeercert()`; without it the words are less exact.
    """
    if error.verify_code == EXPIRED:
        return _expired(certificate, now_s)
    if error.verify_code == NOT_YET_VALID and certificate is not None:
        valid_from = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notBefore"]), UTC)
        return f"TLS certificate is not valid before {valid_from:%Y-%m-%d %H:%M} UTC"
    if error.verify_code == SELF_SIGNED:
        return "TLS certificate is self-signed"
    if error.verify_code in UNTRUSTED:
        return "TLS certificate is signed by an authority that is not trusted"
    if error.verify_code in WRONG_NAME:
        return f"TLS certificate is for {_names(certificate)}, not {host}"
    return f"TLS certificate is not accepted: {error.verify_message}"


def _expired(certificate: Mapping[str, Any] | None, now_s: float) -> str:
    if certificate is None:
        return "TLS certificate has expired"
    age_s = now_s - ssl.cert_time_to_seconds(certificate["notAfter"])
    if age_s < 0:  # the server's own is still good
        return "TLS certificate is signed by an authority whose own certificate has expired"
    return f"TLS certificate expired {_ago(age_s)} ago"


def _ago(age_s: float) -> str:
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
