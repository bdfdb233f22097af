import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monitoring.probes import probe
from monitoring.probes.model import ErrorType, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net import certificates
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.tls_contexts import make_context
from monitoring.probes.tests.conftest import Run, make_spec, server_context, why
from monitoring.probes.tests.targets import OK, says, says_and_hangs, serving
from monitoring.probes.tools import Tools

NOW = datetime.now(UTC)  # OpenSSL asks the wall clock, so these certificates must be relative to it
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def spec_now(url: str, timeout_ms: int = 2_000) -> ProbeSpec:
    return make_spec(url, due_at_ms=int(NOW.timestamp() * 1000), timeout_ms=timeout_ms)


async def ask(context: ssl.SSLContext, tools: Tools, host: str = "localhost") -> ProbeResult:
    async with serving(says(OK), tls=context) as target:
        return await probe(spec_now(target.url(host=host, scheme="https")), tools)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1"])
def test_trusted_certificate_is_ok(run: Run, tools: Tools, ca: trustme.CA, version: ssl.TLSVersion, host: str) -> None:
    context = server_context(ca.issue_cert(host))
    context.minimum_version = context.maximum_version = version

    result = run(ask(context, tools, host))

    assert result.verdict is Verdict.OK, result.error_message
    assert result.phases.tls_ms > 0
    assert result.phases.connect_ms > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_expired_certificate_says_since_when(run: Run, tools: Tools, ca: trustme.CA, version: ssl.TLSVersion) -> None:
    since, until = NOW - timedelta(days=90), NOW - timedelta(days=3, hours=1)
    context = server_context(ca.issue_cert("localhost", not_before=since, not_after=until))
    context.minimum_version = context.maximum_version = version

    result = run(ask(context, tools))

    assert why(result) == (ErrorType.CONNECTION, "TLS certificate expired 3 days ago")


def test_certificate_of_tomorrow_says_from_when(run: Run, tools: Tools, ca: trustme.CA) -> None:
    tomorrow = NOW + timedelta(days=1)
    certificate = ca.issue_cert("localhost", not_before=tomorrow, not_after=tomorrow + timedelta(days=1))

    result = run(ask(server_context(certificate), tools))

    assert why(result) == (
        ErrorType.CONNECTION,
        f"TLS certificate is not valid before {tomorrow:%Y-%m-%d %H:%M} UTC",
    )


def test_certificate_for_another_name_says_which(run: Run, tools: Tools, ca: trustme.CA) -> None:
    certificate = ca.issue_cert("a.example", "b.example", "c.example", "d.example")

    result = run(ask(server_context(certificate), tools))

    words = "TLS certificate is for a.example, b.example, c.example and 1 more, not localhost"
    assert why(result) == (ErrorType.CONNECTION, words)


def test_certificate_of_an_unknown_authority(run: Run, tools: Tools) -> None:
    result = run(ask(server_context(trustme.CA().issue_cert("localhost")), tools))

    words = "TLS certificate is signed by an authority that is not trusted"
    assert result.error_type is ErrorType.CONNECTION
    assert str(result.error_message).startswith(words)


def test_self_signed_certificate(run: Run, tools: Tools) -> None:
    result = run(ask(server_context(self_signed("localhost")), tools))

    assert why(result) == (ErrorType.CONNECTION, "TLS certificate is self-signed")


def test_plain_server_on_a_tls_address(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(OK), is_patient=False) as target:
            result = await probe(spec_now(target.url(scheme="https")), tools)

        words = "TLS handshake failed: server does not speak TLS on this port"
        assert why(result) == (ErrorType.CONNECTION, words)

    run(scenario())


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (70, "server offers no protocol version that we accept"),
        (40, "server has no cipher suite in common with us, or wants another name"),
        (112, "server does not know this name"),
        (80, "tlsv1 alert internal error"),
    ],
)
def test_alert_of_the_server_is_named(run: Run, tools: Tools, alert: int, words: str) -> None:
    async def scenario() -> None:
        fatal = b"\x15\x03\x01\x00\x02\x02" + bytes([alert])  # a record with one alert (RFC 8446, 6)
        async with serving(says(fatal), is_patient=False) as target:
            result = await probe(spec_now(target.url(scheme="https")), tools)

        assert why(result) == (ErrorType.CONNECTION, f"TLS handshake failed: {words}")

    run(scenario())


def test_server_that_wants_a_client_certificate(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = server_context(ca.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED

    result = run(ask(context, tools))

    assert result.error_type is ErrorType.CONNECTION


def test_deadline_in_the_handshake(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says_and_hangs(b""), is_patient=False) as target:
            result = await probe(spec_now(target.url(scheme="https"), timeout_ms=600), tools)

        words = f"no answer within 0.6 s: connected to 127.0.0.1:{target.port}, waiting for the TLS handshake"
        assert why(result) == (ErrorType.TIMEOUT, words)
        assert result.phases.connect_ms is not None and result.phases.tls_ms is None

    run(scenario())


def test_server_that_hangs_up_in_the_handshake(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(b""), is_patient=False) as target:
            result = await probe(spec_now(target.url(scheme="https")), tools)

        assert result.error_type is ErrorType.CONNECTION
        assert "during the TLS handshake" in str(result.error_message)

    run(scenario())


def test_broken_authority_store_trusts_nobody(run: Run, ca: trustme.CA) -> None:
    tools = Tools(resolver=Resolver([]), tls=make_context())

    result = run(ask(server_context(ca.issue_cert("localhost")), tools))

    assert result.error_type is ErrorType.CONNECTION


@pytest.mark.parametrize(
    ("age_s", "words"), [(5, "less than a minute"), (60, "1 minute"), (7_300, "2 hours"), (86_400 * 400, "400 days")]
)
def test_age_in_words(age_s: float, words: str) -> None:
    error = ssl.SSLCertVerificationError(1, "")
    error.verify_code = certificates.EXPIRED
    certificate = {"notAfter": "Jan  1 00:00:00 2026 GMT"}
    now_s = ssl.cert_time_to_seconds(certificate["notAfter"]) + age_s

    assert certificates.certificate_words(error, [certificate], "x", now_s) == f"TLS certificate expired {words} ago"


def self_signed(host: str) -> trustme.LeafCert:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _leaf(key, certificate)


def _leaf(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> trustme.LeafCert:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return trustme.LeafCert(private, certificate.public_bytes(Encoding.PEM), [])
