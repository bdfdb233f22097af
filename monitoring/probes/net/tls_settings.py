"""The TLS settings that kinds share, and the judgement of a handshake by them."""

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from monitoring.probes.failures import printable
from monitoring.probes.net.certificates import ends_at_s, fault_of, is_for, wrong_name_words
from monitoring.probes.net.timeline import Hop
from monitoring.probes.net.tls import Peer
from monitoring.probes.net.tls_contexts import BROWSER, LEGACY, SECURITY, ClientCertificate, TlsProfile, load_client
from monitoring.probes.net.tls_words import reason_of
from monitoring.probes.secrets import Place, Secret, is_secret
from monitoring.probes.settings import Notes, Problem, Unseal, is_text, setting

VERSIONS = ("1.0", "1.1", "1.2", "1.3")
OLD = ("1.0", "1.1")
_SPOKEN = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}
PEM_BYTES = 64 * 1024
LONGEST_LABEL = 63
_KEY_MARK = "PRIVATE KEY-----"
_BLOCK = re.compile(r"(-----BEGIN [A-Z0-9 ]+-----)([A-Za-z0-9+/=\s]*)(-----END [A-Z0-9 ]+-----)")


def read_version(value: Any, notes: Notes) -> str:
    """Read a protocol version, which YAML takes for a number. A `Reader`."""
    if isinstance(value, bool) or str(value) not in VERSIONS:
        notes.add("%(value)s is not a valid choice. Use one of %(choices)s.", value, choices=", ".join(VERSIONS))
    return str(value)


@dataclass(frozen=True, slots=True)
class TlsLevel:
    """The least that a TLS connection must offer."""

    security: str = BROWSER
    min_version: str | None = None  # None: 1.0 with `legacy`, else 1.2

    def refuses(self, peer: Peer) -> str | None:
        """Return why the version of a handshake is too old, or None."""
        if self.min_version is None or spoken(peer) >= self.min_version:
            return None
        return f"server supports TLS {spoken(peer)} at most, but TLS {self.min_version} or newer is required"


def read_tls(value: Any, notes: Notes) -> TlsLevel:
    """Read `{security: legacy, min_version: "1.0"}`. A `Reader`."""
    if not isinstance(value, Mapping) or not value or not set(value) <= {"security", "min_version"}:
        notes.add('%(value)s is not complete. Enter {security: browser}, {min_version: "1.3"}, or both.', value)
        return TlsLevel()
    security, version = value.get("security", BROWSER), value.get("min_version")
    if security not in SECURITY:
        message = "%(value)s is not a valid choice. Use one of %(choices)s."
        notes.add(message, security, at="security", choices=", ".join(SECURITY))
    if version is not None:
        inner = Notes("")
        version = read_version(version, inner)
        if inner.problems:
            message = "%(value)s is not a valid choice. Use one of %(choices)s."
            notes.add(message, value["min_version"], at="min_version", choices=", ".join(VERSIONS))
        elif version in OLD and security != LEGACY:
            notes.problems.append(needs_legacy("tls.min_version", version))
    return TlsLevel(security, version)


def read_client_certificate(value: Any, notes: Notes) -> str | Secret:
    """Read a certificate in PEM, as text or as a secret. A `Reader`."""
    if is_secret(value):
        return Secret(value["secret"])
    if is_text(value, notes, is_hidden=True) and len(value.encode()) > PEM_BYTES:
        notes.add("it is longer than %(length)s bytes.", None, length=PEM_BYTES)
    return str(value)


def read_client_key(value: Any, notes: Notes) -> Secret:
    """Read a secret. A `Reader`; no problem repeats the value."""
    if not is_secret(value):
        notes.add("a private key must be a secret. Enter it as {secret: …}.", None)
        return Secret("")
    return Secret(value["secret"])


def ca() -> Any:
    """Make the field `ca`; `tls_problems` judges its text."""
    return setting(
        "",
        label="Certificate authority",
        help="Certificates in PEM of the authorities to trust instead of those of the system.",
        length=PEM_BYTES,
    )


def client_certificate() -> Any:
    """Make the field `client_certificate`."""
    return setting(
        None,
        label="Client certificate",
        help="Certificate in PEM, with its chain, by which the monitor identifies itself; text or a secret.",
        reader=read_client_certificate,
        holds_secrets=True,
    )


def client_key() -> Any:
    """Make the field `client_key`."""
    return setting(
        None,
        label="Client key",
        help="Private key in PEM of the client certificate, without password; always a secret.",
        reader=read_client_key,
        holds_secrets=True,
    )


class HasTls(Protocol):
    """Settings with the fields above."""

    @property
    def ca(self) -> str: ...
    @property
    def client_certificate(self) -> str | Secret | None: ...
    @property
    def client_key(self) -> Secret | None: ...


def tls_problems(settings: HasTls) -> Iterator[Problem]:
    """Yield the problems between and inside these fields, but those of secrets."""
    if settings.ca and not _is_certificate(settings.ca):
        yield no_certificate("ca")
    given = settings.client_certificate
    if isinstance(given, str) and not _is_certificate(given):
        yield no_certificate("client_certificate")
    if given and settings.client_key is None:
        yield Problem("client_key", None, "a client certificate needs its private key. Enter client_key as well.")
    if settings.client_key is not None and not given:
        message = "a private key needs its certificate. Enter client_certificate as well."
        yield Problem("client_certificate", None, message)


def opened_client(settings: HasTls, place: Place, unseal: Unseal) -> ClientCertificate | None:
    """Return the client certificate with its key, unsealed."""
    certificate, key = settings.client_certificate, settings.client_key
    if certificate is None or key is None:
        return None
    if isinstance(certificate, Secret):
        certificate = unseal(certificate.sealed, place.at("client_certificate"))
    return ClientCertificate(pem(certificate), pem(unseal(key.sealed, place.at("client_key"))))


def client_problems(settings: HasTls, place: Place, unseal: Unseal) -> Iterator[Problem]:
    """Yield the problem of an unsealed client certificate and key, if OpenSSL refuses them."""
    client = opened_client(settings, place, unseal)
    if client is None:
        return
    if not _is_certificate(client.certificate):
        yield no_certificate("client_certificate")
        return
    try:
        load_client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), client)
    except (ssl.SSLError, ValueError) as error:
        is_other = isinstance(error, ssl.SSLError) and "mismatch" in reason_of(error)
        message = (
            "it is not the key of this client certificate. Enter the key that the certificate was issued for."
            if is_other
            else "it is not a private key in PEM without password. Enter all of it, from -----BEGIN PRIVATE KEY----- to"
            " -----END PRIVATE KEY-----; openssl pkey -in key.pem removes a password."
        )
        yield Problem("client_key", None, message)


def no_certificate(key: str) -> Problem:
    message = (
        "it is not a certificate in PEM. Enter all of it, from -----BEGIN CERTIFICATE----- to"
        " -----END CERTIFICATE-----."
    )
    return Problem(key, None, message)


def needs_legacy(key: str, version: str) -> Problem:
    message = "TLS %(version)s is refused unless security is legacy. Set security: legacy as well."
    return Problem(key, version, message, {"version": version})


def pem(text: str) -> str:
    """Return PEM with the line ends that OpenSSL needs, where YAML or a shell made blanks of them."""
    return _BLOCK.sub(lambda block: "\n".join([block[1], *block[2].split(), block[3]]), text.replace("\\n", "\n"))


def profile_for(profile: TlsProfile, server_name: str) -> TlsProfile:
    """Return the profile of a connection to a name. Raises `httpx.ConnectError` for one that TLS cannot ask for."""
    if not all(0 < len(label) <= LONGEST_LABEL for label in server_name.split(".")):
        raise httpx.ConnectError(f"TLS handshake failed: {printable(server_name)} is no name to ask for")
    return profile._replace(checks_name=False) if profile.verify and _is_ours_to_check(server_name) else profile


def _is_ours_to_check(server_name: str) -> bool:
    # With OpenSSL, `*.example.com` does not cover `a_b.example.com`; with Chromium and curl, it does.
    return "_" in server_name.partition(".")[0]


def check_handshake(peer: Peer, level: TlsLevel, hop: Hop, *, verify: bool, server_name: str) -> None:
    """Judge a complete handshake, and note in `hop` what people should know. Raises `httpx.ConnectError`."""
    if fault := level.refuses(peer):
        raise httpx.ConnectError(fault)
    if verify and _is_ours_to_check(server_name) and not is_for(peer.chain[0], server_name):
        raise httpx.ConnectError(wrong_name_words(peer.chain[0], server_name))
    hop.chain = peer.chain
    hop.certificate_ends_at_s = min(map(ends_at_s, peer.chain), default=None)
    if not is_modern(peer):
        hop.note(f"weak TLS: {peer.suite} with TLS {spoken(peer)}, which modern security would refuse")
    if not verify and (fault := fault_of(peer.chain, server_name, hop.started_at_ms / 1000)):
        hop.note(f"not verified: {fault}")


def is_modern(peer: Peer) -> bool:
    """Return whether a cipher suite has forward secrecy and authenticated encryption."""
    if peer.suite.startswith("TLS_"):
        return True
    return peer.suite.startswith("ECDHE-") and ("GCM" in peer.suite or "CHACHA20" in peer.suite)


def spoken(peer: Peer) -> str:
    """Return the protocol version of a handshake: `1.2`."""
    return _SPOKEN.get(peer.version, peer.version.removeprefix("TLSv"))


def _is_certificate(text: str) -> bool:
    try:
        # Not a context with our own choices: only whether it can be read.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem(text))
    except (ssl.SSLError, ValueError):
        return False
    return _KEY_MARK not in text
