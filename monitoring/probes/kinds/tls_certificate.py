"""The TLS probe: is the certificate valid, and for how long?"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from monitoring.probes.attempt import Attempt
from monitoring.probes.every_address import look_along
from monitoring.probes.failures import bad, printable
from monitoring.probes.http.answer import Answer
from monitoring.probes.kind import Kind
from monitoring.probes.model import ErrorType, Finding, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.certificates import expired_words, in_words
from monitoring.probes.net.connect import connect, doors_of
from monitoring.probes.net.connection import Connection
from monitoring.probes.net.route import ALL, addresses, connect_to, route_of
from monitoring.probes.net.timeline import Hop, Stage
from monitoring.probes.net.tls import Peer, TlsLayer
from monitoring.probes.settings import Notes, Problem, Settings, degraded_over, setting
from monitoring.probes.target import Port, Target, read_host, read_target
from monitoring.probes.tools import Tools

DAY_S = 86_400
HTTPS_PORT = 443
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SPOKEN = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def read_version(value: Any, notes: Notes) -> str:
    """Read a protocol version, which YAML takes for a number. A `Reader`."""
    if str(value) not in VERSIONS:
        notes.add("%(value)s is not a valid choice. Use one of %(choices)s.", value, choices=", ".join(VERSIONS))
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings(Settings):
    """Settings of `kind: tls`."""

    warn_days: int = setting(
        21,
        label="Warn before expiry",
        help="A certificate that expires sooner than this is slow; 0 turns the warning off.",
        unit="days",
        low=0,
        high=3_650,
    )
    critical_days: int | None = setting(
        None,
        label="Fail before expiry",
        help="A certificate that expires sooner than this is bad, as is an expired one.",
        unit="days",
        low=0,
        high=3_650,
    )
    server_name: str | None = setting(
        None,
        label="Server name",
        help="Server name to request (SNI) and to verify in the certificate, if it differs from the host.",
        reader=read_host,
        example="www.example.com",
    )
    min_version: str = setting(
        "1.2",
        label="Minimum TLS version",
        help="Minimum TLS version that the server must use: 1.2 or 1.3.",
        reader=read_version,
        example="1.3",
    )
    verify_tls: bool = setting(
        True,
        label="Verify the certificate",
        help="Whether the certificate must be signed by a trusted authority for the name; its expiry is"
        " checked in any case.",
    )
    addresses: str = addresses()
    connect_to: Target | None = connect_to()  # noqa: RUF009  it makes a field, as the others
    degraded_over_ms: int | None = degraded_over()

    def problems(self) -> Iterator[Problem]:
        if self.critical_days is not None and self.warn_days and self.critical_days >= self.warn_days:
            message = "it must be less than warn_days, which is %(warn_days)s."
            yield Problem("critical_days", self.critical_days, message, {"warn_days": self.warn_days})


async def probe(spec: ProbeSpec, settings: TlsSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Do one handshake, and examine the server's certificate."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look_at(branch: Attempt) -> Finding:
        target = _read_target(spec.url)
        hop = branch.begin(spec.url, target.host, "TLS")
        peer = await _shake_hands(target, settings, hop, branch.tools)
        return judge(peer, settings, hop.started_at_ms / 1000)

    async def look() -> Finding:
        target = _read_target(spec.url)
        if settings.connect_to is None and settings.addresses != ALL:
            return await look_at(attempt)
        route = route_of(target.host, target.port or HTTPS_PORT, settings.connect_to)
        return await look_along(attempt, look_at, route, settings, url=spec.url, method="TLS")

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms)


async def _shake_hands(target: Target, settings: TlsSettings, hop: Hop, tools: Tools) -> Peer:
    context = tools.tls if settings.verify_tls else tools.tls_unverified
    name = settings.server_name or target.host.removesuffix(".")
    doors, port = await doors_of(target.host, target.port or HTTPS_PORT, tools)
    hop.enter(Stage.CONNECT)

    def make() -> Connection[Answer]:
        return Connection(hop, Answer(hop), TlsLayer(context, name))

    connection = await connect(doors, port, make, hop)
    try:
        hop.enter(Stage.TLS)
        await connection.handshake()
        hop.enter(Stage.FIRST_BYTE)
        return connection.peer()
    finally:
        connection.abort()


def judge(peer: Peer, settings: TlsSettings, now_s: float) -> Finding:
    """Judge a server whose certificate is trusted, if that is required."""
    if SPOKEN.get(peer.version, ssl.TLSVersion.TLSv1) < VERSIONS[settings.min_version]:
        words = (
            f"server supports {peer.version.replace('v', ' ')} at most, but TLS {settings.min_version} or"
            " newer is required"
        )
        return bad(ErrorType.CONNECTION, words)
    if not peer.chain:
        return bad(ErrorType.CONNECTION, "server showed no certificate")
    first = min(peer.chain, key=_ends_at_s)
    left_s = _ends_at_s(first) - now_s
    if left_s < 0:
        return bad(ErrorType.CONNECTION, expired_words(first, now_s))
    whose = "TLS certificate" if first is peer.chain[0] else f"TLS certificate of the authority {_name(first)}"
    ends_on = datetime.fromtimestamp(_ends_at_s(first), UTC)
    words = f"{whose} expires in {in_words(left_s)}, on {ends_on:%Y-%m-%d}"
    if settings.critical_days is not None and left_s < settings.critical_days * DAY_S:
        return bad(ErrorType.CONNECTION, words)
    if left_s < settings.warn_days * DAY_S:
        return Finding(Verdict.SLOW, None, printable(words, 300))
    return Finding(Verdict.OK)


def _ends_at_s(certificate: Mapping[str, Any]) -> int:
    return ssl.cert_time_to_seconds(certificate["notAfter"])


def _name(certificate: Mapping[str, Any]) -> str:
    names = {key: value for part in certificate.get("subject", ()) for key, value in part}
    return printable(names.get("commonName") or names.get("organizationName") or "without a name")


def _read_target(url: str) -> Target:
    return read_target(url, "tls", Port.OPTIONAL)


KIND = Kind(
    name="tls",
    label="TLS certificate",
    settings=TlsSettings,
    schemes=("tls",),
    check_url=_read_target,
    probe=probe,
)
