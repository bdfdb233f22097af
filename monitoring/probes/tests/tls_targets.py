"""Local TLS servers with one certificate, version or cipher suite each; unlike asyncio's, they send alerts."""

import asyncio
import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
PATIENCE_S = 10.0
NOW = datetime.now(UTC)  # OpenSSL asks the wall clock, so certificates must be relative to it

Serve = Callable[[socket.socket], None]


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Serve each connection in a thread of its own; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads: list[threading.Thread] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    connection.settimeout(PATIENCE_S)
                    threads.append(threading.Thread(target=_serve_one, args=(serve, connection)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                await asyncio.to_thread(thread.join)  # the loop closes the other end meanwhile


def _serve_one(serve: Serve, connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):  # ssl.SSLError is one
        serve(connection)


def securely(context: ssl.SSLContext, answer: bytes = OK) -> Serve:
    """Shake hands, read a request, and answer."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            head = b""
            while not head.endswith(b"\r\n\r\n") and (more := secured.recv(65_536)):
                head += more
            if head:
                secured.sendall(answer)

    return serve


def saying(data: bytes) -> Serve:
    """Read what the client begins with, and say something else than TLS."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(data)

    return serve


def server_of(
    certificate: trustme.LeafCert, *, suites: str = "", version: ssl.TLSVersion | None = None, level: int = 0
) -> ssl.SSLContext:
    """Return a server's context; with cipher suites, of TLS 1.2 unless a version is named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{suites or 'ALL'}:@SECLEVEL={level}")
    certificate.configure_cert(context)
    version = version or (ssl.TLSVersion.TLSv1_2 if suites else None)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    return context


def demanding(certificate: trustme.LeafCert, ca: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a server's context that demands a client certificate of an authority."""
    context = server_of(certificate, version=version)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    return context


def handmade(
    common_name: str,
    *,
    names: tuple[str, ...] = (),
    key_bits: int = 0,
    signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    days: tuple[float, float] = (-1, 30),
) -> trustme.LeafCert:
    """Return a certificate as authorities no longer issue them; without `signer`, it signs itself."""
    key = rsa.generate_private_key(65_537, key_bits) if key_bits else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer[0].subject if signer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days[0]))
        .not_valid_after(NOW + timedelta(days[1]))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    certificate = builder.sign(signer[1] if signer else key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return trustme.LeafCert(private, certificate.public_bytes(Encoding.PEM), [])


def signer_of(ca: trustme.CA) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the certificate and the key of an authority."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(ca.cert_pem.bytes()), key
