"""Servers as they are met: of any age, badly set up, and broken. docs/compatibility.md has them as a table."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes import probe
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.certificates import is_for
from monitoring.probes.net.tls_words import answers_request, asks_for_certificate, reason_of
from monitoring.probes.tests.conftest import Run, make_spec, server_context
from monitoring.probes.tests.targets import redirects, serving
from monitoring.probes.tests.tls_targets import (
    NOW,
    Serve,
    demanding,
    handmade,
    listening,
    saying,
    securely,
    server_of,
    signer_of,
)
from monitoring.probes.tools import Tools

RSA = trustme.KeyType.RSA
LEGACY = {"tls": {"security": "legacy"}}
NOTHING_IN_COMMON = "TLS handshake failed: server has no cipher suite in common with us, or wants another name"
FFDHE2048 = """-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""  # RFC 7919
NO_VERSION = "TLS handshake failed: server offers no protocol version that we accept"


@pytest.fixture(scope="session")
def of_rsa(ca: trustme.CA) -> trustme.LeafCert:
    return ca.issue_cert("localhost", key_type=RSA)


async def ask(serve: Serve, tools: Tools, **settings: Any) -> ProbeResult:
    async with listening(serve) as port:
        spec = make_spec(
            f"https://localhost:{port}/", settings=settings, due_at_ms=int(NOW.timestamp() * 1000), timeout_ms=30_000
        )
        return await probe(spec, tools)


@pytest.mark.parametrize("suite", ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"])
def test_modern_suites_need_no_remark(run: Run, tools: Tools, of_rsa: trustme.LeafCert, suite: str) -> None:
    for security in ("modern", "browser", "legacy"):
        result = run(
            ask(securely(server_of(of_rsa, suites=suite)), tools, verify_tls=False, tls={"security": security})
        )

        assert (result.verdict, result.remarks) == (Verdict.OK, ()), result.error_message


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
    ],
)
def test_suites_of_old_devices_pass_as_in_browsers_with_a_remark(
    run: Run, tools: Tools, of_rsa: trustme.LeafCert, suite: str
) -> None:
    serve = securely(server_of(of_rsa, suites=suite))

    found, strict = run(ask(serve, tools)), run(ask(serve, tools, tls={"security": "modern"}))

    assert found.verdict is Verdict.OK, found.error_message
    assert found.remarks == (f"weak TLS: {suite} with TLS 1.2, which modern security would refuse",)
    assert found.error_message == found.remarks[0]
    assert (strict.verdict, strict.error_message) == (Verdict.BAD, NOTHING_IN_COMMON)


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-RSA-AES128-SHA256",
        "ECDHE-RSA-AES256-SHA384",
        "AES128-SHA256",
        "CAMELLIA128-SHA",
    ],
)
def test_suites_that_no_browser_offers_need_legacy(
    run: Run, tools: Tools, of_rsa: trustme.LeafCert, suite: str
) -> None:
    serve = securely(server_of(of_rsa, suites=suite))

    refused, allowed = run(ask(serve, tools)), run(ask(serve, tools, verify_tls=False, **LEGACY))

    assert (refused.verdict, refused.error_message) == (Verdict.BAD, NOTHING_IN_COMMON)
    assert allowed.verdict is Verdict.OK, allowed.error_message
    assert allowed.remarks == (f"weak TLS: {suite} with TLS 1.2, which modern security would refuse",)


def test_key_exchange_that_browsers_gave_up_needs_legacy(
    run: Run, tools: Tools, of_rsa: trustme.LeafCert, tmp_path: Path
) -> None:
    context = server_of(of_rsa, suites="DHE-RSA-AES128-GCM-SHA256")
    (tmp_path / "dh.pem").write_text(FFDHE2048)
    context.load_dh_params(tmp_path / "dh.pem")

    refused, allowed = (
        run(ask(securely(context), tools)),
        run(ask(securely(context), tools, verify_tls=False, **LEGACY)),
    )

    assert refused.error_message == NOTHING_IN_COMMON
    assert allowed.verdict is Verdict.OK, allowed.error_message


@pytest.mark.parametrize(("version", "name"), [(ssl.TLSVersion.TLSv1, "1.0"), (ssl.TLSVersion.TLSv1_1, "1.1")])
def test_old_protocols_need_legacy(
    run: Run, tools: Tools, of_rsa: trustme.LeafCert, version: ssl.TLSVersion, name: str
) -> None:
    serve = securely(server_of(of_rsa, version=version))
    strict = {"tls": {"security": "legacy", "min_version": "1.2"}}

    refused, allowed = run(ask(serve, tools)), run(ask(serve, tools, verify_tls=False, **LEGACY))
    too_old = run(ask(serve, tools, verify_tls=False, **strict))

    assert (refused.verdict, refused.error_message) == (Verdict.BAD, NO_VERSION)
    assert allowed.verdict is Verdict.OK, allowed.error_message
    assert f"with TLS {name}," in allowed.remarks[0]
    assert too_old.error_message == f"server supports TLS {name} at most, but TLS 1.2 or newer is required"


def test_minimum_version_is_judged_before_the_request(run: Run, tools: Tools, of_rsa: trustme.LeafCert) -> None:
    serve = securely(server_of(of_rsa, version=ssl.TLSVersion.TLSv1_2))

    result = run(ask(serve, tools, tls={"min_version": 1.3}))

    words = "server supports TLS 1.2 at most, but TLS 1.3 or newer is required"
    assert (result.error_type, result.error_message, result.status_code) == (ErrorType.CONNECTION, words, None)


@pytest.mark.parametrize(("bits", "words"), [(1024, "TLS certificate has a key that is too weak"), (2048, None)])
def test_keys_of_old_devices_pass_as_in_browsers(
    run: Run, tools: Tools, ca: trustme.CA, bits: int, words: str | None
) -> None:
    serve = securely(server_of(handmade("x", names=("localhost",), key_bits=bits, signer=signer_of(ca))))
    strict = {"tls": {"security": "modern"}, "ca": ca.cert_pem.bytes().decode()}

    browser, modern = run(ask(serve, tools)), run(ask(serve, tools, **strict))

    assert browser.verdict is Verdict.OK, browser.error_message
    assert modern.error_message == words


def cut(connection: socket.socket) -> None:
    connection.recv(65_536)


def without_intermediate(ca: trustme.CA) -> trustme.LeafCert:
    whole = ca.create_child_ca().issue_cert("localhost")
    return trustme.LeafCert(whole.private_key_pem.bytes(), whole.cert_chain_pems[0].bytes(), [])


def knows_no_name(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    return context


def old(ca: trustme.CA) -> trustme.LeafCert:
    return ca.issue_cert("localhost", not_before=NOW - timedelta(9), not_after=NOW - timedelta(3, hours=1))


FAULTS: dict[str, tuple[Callable[[trustme.CA], Serve], str]] = {
    "expired": (lambda ca: securely(server_of(old(ca))), "TLS certificate expired 3 days ago"),
    "missing intermediate": (
        lambda ca: securely(server_of(without_intermediate(ca))),
        "TLS certificate is signed by an authority that is not trusted, and the server sent no intermediate"
        " certificate: trustme",
    ),
    "unknown authority, with its intermediate": (
        lambda ca: securely(server_of(trustme.CA().create_child_ca().issue_cert("localhost"))),
        "TLS certificate is signed by an authority that is not trusted",
    ),
    "common name only": (
        lambda ca: securely(server_of(handmade("localhost", signer=signer_of(ca)))),
        "TLS certificate names no host, only the common name localhost, which browsers ignore",
    ),
    "unknown name": (
        lambda ca: securely(knows_no_name(server_of(ca.issue_cert("localhost")))),
        "TLS handshake failed: server does not know this name",
    ),
    "plain HTTP": (
        lambda ca: saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        "TLS handshake failed: server does not speak TLS on this port",
    ),
    "another protocol": (
        lambda ca: saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "TLS handshake failed: server does not speak TLS on this port",
    ),
    "internal error": (
        lambda ca: saying(b"\x15\x03\x03\x00\x02\x02\x50"),
        "TLS handshake failed: tlsv1 alert internal error",
    ),
    "cut": (lambda ca: cut, "closed the connection during the TLS handshake"),
    "client certificate in TLS 1.2": (
        lambda ca: securely(demanding(ca.issue_cert("localhost"), ca, ssl.TLSVersion.TLSv1_2)),
        "TLS handshake failed: server requires a client certificate",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_own_words(run: Run, tools: Tools, ca: trustme.CA, fault: str) -> None:
    make, words = FAULTS[fault]

    result = run(ask(make(ca), tools))

    assert (result.verdict, result.error_type) == (Verdict.BAD, ErrorType.CONNECTION)
    assert words in str(result.error_message)


def test_a_common_name_is_no_name_whether_verified_or_not(run: Run, tools: Tools, ca: trustme.CA) -> None:
    serve = securely(server_of(handmade("localhost", signer=signer_of(ca))))

    verified, unverified = run(ask(serve, tools)), run(ask(serve, tools, verify_tls=False))

    assert verified.verdict is Verdict.BAD
    assert unverified.error_message == f"not verified: {verified.error_message}"


def test_client_certificate_that_tls_1_3_demands(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = demanding(ca.issue_cert("localhost"), ca, ssl.TLSVersion.TLSv1_3)

    refused, reset = run(ask(refusing(context), tools)), run(ask(refusing(context, is_silent=True), tools))

    assert refused.error_message == "TLS handshake failed: server requires a client certificate"
    assert str(reset.error_message).endswith("(the server asks for a client certificate)")


def refusing(context: ssl.SSLContext, *, is_silent: bool = False) -> Serve:
    """Send OpenSSL's alert and leave time to read it, as a socket closed with unread data resets the connection."""

    def serve(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = context.wrap_bio(incoming, outgoing, server_side=True)
        is_open = True
        while data := connection.recv(65_536):
            incoming.write(data)
            try:
                layer.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                is_open = False
            if is_open or not is_silent:
                connection.sendall(outgoing.read())
            if not is_open:
                connection.shutdown(socket.SHUT_WR)

    return serve


def test_look_at_a_certificate_tells_that_one_is_asked_for(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = demanding(ca.issue_cert("localhost"), ca, ssl.TLSVersion.TLSv1_3)

    async def scenario(**settings: Any) -> ProbeResult:
        async with listening(securely(context)) as port:
            at_ms = int(NOW.timestamp() * 1000)
            spec = make_spec(
                f"tls://localhost:{port}", kind="tls", settings=settings, due_at_ms=at_ms, timeout_ms=30_000
            )
            return await probe(spec, tools)

    without, given = run(scenario()), run(scenario(**as_client(ca.issue_cert("monitor@example.com"), ca)))

    words = "server asks for a client certificate, without which it may refuse requests"
    assert (without.verdict, without.remarks) == (Verdict.OK, (words,))
    assert (given.verdict, given.remarks) == (Verdict.OK, ())


def test_server_that_hangs_up_when_no_client_certificate_comes(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = demanding(ca.issue_cert("localhost"), ca, ssl.TLSVersion.TLSv1_2)

    def serve(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65_536))
        with pytest.raises(ssl.SSLWantReadError):
            layer.do_handshake()
        connection.sendall(outgoing.read())
        connection.recv(65_536)

    result = run(ask(serve, tools))

    words = "during the TLS handshake (the server asks for a client certificate)"
    assert str(result.error_message).endswith(words)


def test_server_without_secure_renegotiation_is_connected_to_as_in_browsers(run: Run, tools: Tools) -> None:
    # A ServerHello of TLS 1.2 with ECDHE-RSA-AES128-GCM-SHA256 and no extension at all.
    hello = b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2f" + b"\x00"
    first = b"\x02" + len(hello).to_bytes(3, "big") + hello
    serve = saying(b"\x16\x03\x03" + len(first).to_bytes(2, "big") + first)

    browser, modern = run(ask(serve, tools)), run(ask(serve, tools, tls={"security": "modern"}, verify_tls=False))

    assert "closed the connection during the TLS handshake" in str(browser.error_message)
    assert modern.error_message == "TLS handshake failed: server lacks secure renegotiation (RFC 5746)"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate_opens_the_door(run: Run, tools: Tools, ca: trustme.CA, version: ssl.TLSVersion) -> None:
    context = demanding(ca.issue_cert("localhost"), ca, version)
    ours, foreign = ca.issue_cert("monitor@example.com"), trustme.CA().issue_cert("monitor@example.com")

    accepted = run(ask(securely(context), tools, **as_client(ours, ca)))
    refused = run(ask(refusing(context), tools, **as_client(foreign, ca)))

    assert accepted.verdict is Verdict.OK, accepted.error_message
    words = "TLS handshake failed: server refused our client certificate (tlsv1 alert unknown ca)"
    assert (refused.verdict, refused.error_message) == (Verdict.BAD, words)


def as_client(certificate: trustme.LeafCert, ca: trustme.CA) -> dict[str, Any]:
    return {
        "ca": ca.cert_pem.bytes().decode(),
        "client_certificate": b"".join(pem.bytes() for pem in certificate.cert_chain_pems).decode(),
        "client_key": {"secret": certificate.private_key_pem.bytes().decode()},
    }


def test_client_certificate_stays_at_its_own_origin(run: Run, tools: Tools, ca: trustme.CA) -> None:
    seen: list[Any] = []

    def other(connection: socket.socket) -> None:
        context = server_of(ca.issue_cert("localhost"))
        context.verify_mode = ssl.CERT_OPTIONAL
        ca.configure_trust(context)
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65_536)
            seen.append(secured.getpeercert())
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def scenario() -> ProbeResult:
        async with listening(other) as port:
            answer = b"HTTP/1.1 302 Go\r\nLocation: https://localhost:%d/\r\nContent-Length: 0\r\n\r\n" % port
            home = securely(demanding(ca.issue_cert("localhost"), ca, ssl.TLSVersion.TLSv1_3), answer)
            return await ask(home, tools, **as_client(ca.issue_cert("monitor@example.com"), ca))

    result = run(scenario())

    assert result.verdict is Verdict.OK, result.error_message
    assert seen == [None]


def test_own_authority_is_trusted_instead_of_the_system_ones(run: Run, tools: Tools, ca: trustme.CA) -> None:
    private = trustme.CA()
    serve, usual = securely(server_of(private.issue_cert("localhost"))), securely(server_of(ca.issue_cert("localhost")))
    settings = {"ca": private.cert_pem.bytes().decode()}

    assert run(ask(serve, tools, **settings)).verdict is Verdict.OK
    assert run(ask(serve, tools)).verdict is Verdict.BAD
    assert run(ask(usual, tools, **settings)).verdict is Verdict.BAD


def test_self_signed_certificate_may_be_its_own_authority(run: Run, tools: Tools) -> None:
    certificate = handmade("device", names=("localhost",))
    settings = {"ca": certificate.cert_chain_pems[0].bytes().decode()}

    assert run(ask(securely(server_of(certificate)), tools, **settings)).verdict is Verdict.OK


def test_certificate_that_expires_first_at_any_hop_decides(run: Run, tools: Tools, ca: trustme.CA) -> None:
    def lasting(days: int) -> trustme.LeafCert:
        return ca.issue_cert("localhost", not_before=NOW - timedelta(9), not_after=NOW + timedelta(days, minutes=1))

    async def scenario() -> None:
        last = securely(server_of(lasting(90)))
        async with listening(last) as port:
            going = redirects({"/": f"https://localhost:{port}/"})
            async with serving(going, tls=server_context(lasting(12))) as first:
                spec = make_spec(
                    first.url(host="localhost", scheme="https"),
                    due_at_ms=int(NOW.timestamp() * 1000),
                    timeout_ms=30_000,
                )
                wanted = [{}, {"cert_days": 12}, {"cert_days": 13}]
                silent, early, late = [await probe(replace(spec, settings=each), tools) for each in wanted]

        words = f"TLS certificate for localhost expires in 12 days, on {NOW + timedelta(12, minutes=1):%Y-%m-%d}"
        assert [(result.verdict, result.error_message) for result in (silent, early, late)] == [
            (Verdict.OK, None),
            (Verdict.OK, None),
            (Verdict.SLOW, words),
        ]
        left = [int((hop.certificate_ends_at_s or 0) - NOW.timestamp()) // 86_400 for hop in silent.requests]
        assert left == [12, 90]

    run(scenario())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((1, "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:992)"), "unsupported protocol"),
        ((1, "[SSL] legacy sigalg disallowed or unsupported (_ssl.c:992)"), "legacy sigalg disallowed or unsupported"),
        ((1, "[SSL] ssl/tls alert handshake failure (_ssl.c:1000)"), "sslv3 alert handshake failure"),
    ],
)
def test_reason_is_read_from_the_text_where_python_has_no_symbol(arguments: tuple[Any, ...], reason: str) -> None:
    error = ssl.SSLError(*arguments)
    error.reason = ""

    assert reason_of(error) == reason


def test_nonsense_asks_for_no_certificate() -> None:
    assert not asks_for_certificate(b"")
    assert not asks_for_certificate(b"HTTP/1.1 400 Bad Request\r\n")
    assert not asks_for_certificate(b"\x16\x03\x03\xff\xff\x0d")
    assert asks_for_certificate(b"\x16\x03\x03\x00\x04\x0d\x00\x00\x00")


@given(st.binary(max_size=60).map(lambda rest: b"\x16" + rest) | st.binary(max_size=60))
def test_any_bytes_can_be_looked_through(received: bytes) -> None:
    assert asks_for_certificate(received) in (True, False)
    assert answers_request(received) in (True, False)


def test_services_with_the_same_settings_share_a_context(run: Run, tools: Tools, ca: trustme.CA) -> None:
    async def scenario() -> None:
        fresh = Tools(resolver=tools.resolver, tls=tools.tls)
        async with listening(securely(server_of(ca.issue_cert("localhost")))) as port:
            url, settings = f"https://localhost:{port}/", LEGACY | {"verify_tls": False}
            for name in ("a", "b"):
                result = await probe(make_spec(url, service_id=name, settings=settings, timeout_ms=30_000), fresh)
                assert result.verdict is Verdict.OK, result.error_message
        assert len(fresh.tls_contexts) == 1

    run(scenario())


@pytest.mark.parametrize("kind", ["http", "tls"])
@pytest.mark.parametrize(
    ("host", "is_trusted", "words"),
    [
        ("a_b.example.com", True, None),
        ("A_B.example.com", True, None),
        ("a_b.example.org", True, "TLS certificate is for *.example.com, *.test, not a_b.example.org"),
        ("a_b.c.example.com", True, "TLS certificate is for *.example.com, *.test, not a_b.c.example.com"),
        ("a_b.test", True, "TLS certificate is for *.example.com, *.test, not a_b.test"),
        ("a_b.example.com", False, "TLS certificate is signed by an authority that is not trusted"),
        ("a..example.com", True, "TLS handshake failed: a..example.com is no name to ask for"),
    ],
)
def test_a_wildcard_covers_an_underscore_as_in_browsers(
    run: Run, tools: Tools, ca: trustme.CA, kind: str, host: str, is_trusted: bool, words: str | None
) -> None:
    certificate = handmade("any", names=("*.example.com", "*.test"), signer=signer_of(ca))
    trusted = {"ca": ca.cert_pem.bytes().decode()} if is_trusted else {}

    async def scenario() -> ProbeResult:
        async with listening(securely(server_of(certificate))) as port:
            settings = {"connect_to": f"127.0.0.1:{port}", **trusted}
            url = f"{'https' if kind == 'http' else 'tls'}://{host}:{port}"
            at_ms = int(NOW.timestamp() * 1000)
            spec = make_spec(url, kind=kind, settings=settings, due_at_ms=at_ms, timeout_ms=30_000)
            return await probe(spec, tools)

    result = run(scenario())
    assert result.verdict is (Verdict.BAD if words else Verdict.OK), result.error_message
    assert (result.error_message or "").startswith(words or "")


@pytest.mark.parametrize(("host", "is_covered"), [("a.example.com", True), ("b.test", False), (".example.com", False)])
def test_a_wildcard_needs_a_domain_of_two_labels_and_a_label_of_its_own(host: str, is_covered: bool) -> None:
    certificate = {"subjectAltName": [("DNS", "*.example.com"), ("DNS", "*.test")]}

    assert is_for(certificate, host) is is_covered
