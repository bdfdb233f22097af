import ssl
from datetime import timedelta
from typing import Any

import pytest
import trustme

from monitoring.probes import probe
from monitoring.probes.kinds.tls_certificate import TlsSettings, judge
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.certificates import is_for
from monitoring.probes.tests.conftest import Run, make_spec, server_context, why
from monitoring.probes.tests.targets import OK, says, says_and_hangs, serving
from monitoring.probes.tests.test_tls import NOW, self_signed
from monitoring.probes.tools import Tools

DUE_MS = int(NOW.timestamp() * 1000)


async def ask(context: ssl.SSLContext, tools: Tools, host: str = "localhost", **settings: Any) -> ProbeResult:
    async with serving(says_and_hangs(b""), tls=context, is_patient=False) as target:
        url = target.url("", host=host, scheme="tls")
        return await probe(make_spec(url, kind="tls", settings=settings, due_at_ms=DUE_MS), tools)


def lasting(ca: trustme.CA, **left: float) -> ssl.SSLContext:
    return server_context(ca.issue_cert("localhost", not_before=NOW - timedelta(99), not_after=NOW + timedelta(**left)))


def test_certificate_with_time_left_is_ok(run: Run, tools: Tools, ca: trustme.CA) -> None:
    result = run(ask(lasting(ca, days=22), tools))

    assert (result.verdict, result.error_message) == (Verdict.OK, None)
    assert result.phases.tls_ms > 0 and result.requests == ()


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, Verdict.SLOW),
        ({"warn_days": 5}, Verdict.OK),
        ({"warn_days": 0}, Verdict.OK),
        ({"critical_days": 14}, Verdict.BAD),
        ({"critical_days": 3}, Verdict.SLOW),
    ],
)
def test_end_in_sight(run: Run, tools: Tools, ca: trustme.CA, settings: dict[str, Any], verdict: Verdict) -> None:
    result = run(ask(lasting(ca, days=12, minutes=1), tools, **settings))

    words = f"TLS certificate expires in 12 days, on {NOW + timedelta(days=12, minutes=1):%Y-%m-%d}"
    assert result.verdict is verdict
    assert result.error_message == (None if verdict is Verdict.OK else words)
    assert result.error_type is (ErrorType.CONNECTION if verdict is Verdict.BAD else None)


def test_expired_is_bad_whether_verified_or_not(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = lasting(ca, days=-3, minutes=-1)

    words = (ErrorType.CONNECTION, "TLS certificate expired 3 days ago")
    assert why(run(ask(context, tools))) == words
    assert why(run(ask(context, tools, verify_tls=False))) == words


def test_chain_and_name_problems_are_named(run: Run, tools: Tools, ca: trustme.CA) -> None:
    other = run(ask(server_context(ca.issue_cert("a.example")), tools))
    unknown = run(ask(server_context(trustme.CA().issue_cert("localhost")), tools))
    own = run(ask(server_context(self_signed("localhost")), tools))

    assert other.error_message == "TLS certificate is for a.example, not localhost"
    assert "signed by an authority that is not trusted" in str(unknown.error_message)
    assert own.error_message == "TLS certificate is self-signed"


def test_other_name_may_be_asked_for(run: Run, tools: Tools, ca: trustme.CA) -> None:
    result = run(ask(server_context(ca.issue_cert("a.example")), tools, server_name="a.example", warn_days=0))

    assert result.verdict is Verdict.OK, result.error_message


def test_old_protocol_is_named(run: Run, tools: Tools, ca: trustme.CA) -> None:
    context = lasting(ca, days=99)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    words = (ErrorType.CONNECTION, "server supports TLS 1.2 at most, but TLS 1.3 or newer is required")
    assert why(run(ask(context, tools, min_version=1.3))) == words
    assert run(ask(context, tools, min_version="1.2")).verdict is Verdict.OK


def test_authority_that_ends_sooner_is_named() -> None:
    own = {"notAfter": "Jan  1 00:00:00 2030 GMT", "subject": ((("commonName", "a.example"),),)}
    authority = {"notAfter": "Jan 11 00:00:00 2026 GMT", "subject": ((("organizationName", "Old CA"),),)}
    now_s = ssl.cert_time_to_seconds("Jan  1 00:00:00 2026 GMT")

    finding = judge([own, authority], TlsSettings(), now_s)

    words = "TLS certificate of the authority Old CA expires in 10 days, on 2026-01-11"
    assert (finding.verdict, finding.message) == (Verdict.SLOW, words)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("expired", "not verified: TLS certificate expired 3 days ago"),
        ("other", "not verified: TLS certificate is for a.example, not localhost"),
        ("own", "not verified: TLS certificate is self-signed"),
        ("future", "not verified: TLS certificate is not valid before "),
        ("good", None),
    ],
)
def test_http_without_verification_is_ok_but_tells(
    run: Run, tools: Tools, ca: trustme.CA, certificate: str, words: str | None
) -> None:
    tomorrow = NOW + timedelta(1)
    contexts = {
        "expired": lambda: lasting(ca, days=-3, minutes=-1),
        "other": lambda: server_context(ca.issue_cert("a.example")),
        "own": lambda: server_context(self_signed("localhost")),
        "future": lambda: server_context(
            ca.issue_cert("localhost", not_before=tomorrow, not_after=tomorrow + timedelta(1))
        ),
        "good": lambda: lasting(ca, days=9),
    }

    async def scenario() -> None:
        async with serving(says(OK), tls=contexts[certificate]()) as target:
            url = target.url(host="localhost", scheme="https")
            result = await probe(make_spec(url, settings={"verify_tls": False}, due_at_ms=DUE_MS), tools)

        assert (result.verdict, result.error_type, result.status_code) == (Verdict.OK, None, 200)
        assert str(result.error_message).startswith(str(words))
        assert result.requests[0].error_message is None

    run(scenario())


def test_names_of_certificates() -> None:
    certificate = {"subjectAltName": (("DNS", "a.example"), ("DNS", "*.b.example"), ("IP Address", "10.0.0.1"))}

    assert all(is_for(certificate, host) for host in ("A.example", "x.b.example", "10.0.0.1"))
    assert not any(is_for(certificate, host) for host in ("b.example", "x.y.b.example", "a.example.org", "10.0.0.2"))
