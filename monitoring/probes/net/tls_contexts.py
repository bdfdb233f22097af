"""The TLS contexts of probes: one for each profile that services ask for.

All is set here rather than left to Python: its own defaults differ between versions and distributions.
"""

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

MODERN, BROWSER, LEGACY = "modern", "browser", "legacy"
SECURITY = (MODERN, BROWSER, LEGACY)
_MODERN_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
# The list of Chromium (BoringSSL), in its order: no DHE, and CBC with RSA certificates only.
_BROWSER_SUITES = (
    f"{_MODERN_SUITES}:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"
    ":AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA"
)
# OpenSSL's security level also limits keys and hashes: from 2 on 2048 bits of RSA, from 1 on 1024 and no SHA-1.
_CIPHERS = {
    MODERN: f"{_MODERN_SUITES}:@SECLEVEL=2",
    BROWSER: f"{_BROWSER_SUITES}:@SECLEVEL=1",
    LEGACY: f"{_BROWSER_SUITES}:ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0",
}
OP_LEGACY_SERVER_CONNECT = 0x4  # servers without RFC 5746, to which browsers connect; named since Python 3.12

MOST = 200  # contexts; one with the authorities of the system takes 0.8 MB


class ClientCertificate(NamedTuple):
    """A certificate (with its chain) and its private key, both in PEM, with which we identify ourselves."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "ClientCertificate(…)"


class TlsProfile(NamedTuple):
    """The TLS settings of a connection."""

    security: str = BROWSER
    verify: bool = True
    ca: str = ""  # PEM of the authorities to trust instead of the system's
    client: ClientCertificate | None = None
    checks_name: bool = True  # in OpenSSL; otherwise `check_handshake` does


DEFAULT, UNVERIFIED = TlsProfile(), TlsProfile(verify=False)


class TlsContexts:
    """Contexts by profile, each made once, as loading the authorities of the system takes 45 ms."""

    def __init__(self) -> None:
        self._kept: dict[TlsProfile, ssl.SSLContext] = {}
        self._lock = asyncio.Lock()  # a check of 16 addresses asks for the same new one 16 times

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, profile: TlsProfile) -> ssl.SSLContext:
        """Return the context of a profile; a new one is made in a thread, so that other probes do not wait.

        Raises `ssl.SSLError` for certificates and keys that OpenSSL refuses; they are judged before they are stored.
        """
        if (context := self._kept.get(profile)) is not None:
            return context
        async with self._lock:
            if profile not in self._kept:
                context = await asyncio.to_thread(make_context, profile)
                if len(self._kept) >= MOST:
                    self._kept.clear()
                self._kept[profile] = context
            return self._kept[profile]


def make_context(profile: TlsProfile = DEFAULT) -> ssl.SSLContext:
    """Return a new context. Raises `ssl.SSLError` for certificates and keys that OpenSSL refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED if profile.security == LEGACY else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS[profile.security])
    context.set_alpn_protocols(["http/1.1"])
    if profile.security != MODERN:
        context.options |= OP_LEGACY_SERVER_CONNECT
    if profile.client is not None:
        load_client(context, profile.client)
    if not profile.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    context.check_hostname = profile.checks_name
    context.hostname_checks_common_name = False  # as in browsers and RFC 9525
    # The nearest trusted certificate ends the chain, even an intermediate one, as in curl and Python 3.13.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if profile.ca:
        context.load_verify_locations(cadata=profile.ca)
    else:
        context.load_default_certs()
    return context


def load_client(context: ssl.SSLContext, client: ClientCertificate) -> None:
    """Load a client certificate.

    Raises `ssl.SSLError` or `ValueError` if it is none, or if the key is another one or encrypted.
    """

    def no_password() -> str:
        raise ValueError("the key is encrypted")  # without this, OpenSSL would ask on the terminal

    with _as_file(f"{client.key}\n{client.certificate}\n") as path:
        context.load_cert_chain(path, password=no_password)


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Yield the path of a file with this text, as OpenSSL reads nothing else; in memory where the system can."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("client-certificate")
        with os.fdopen(number, "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{number}"
    else:
        with tempfile.NamedTemporaryFile("w") as file:  # readable by us only
            file.write(text)
            file.flush()
            yield file.name
