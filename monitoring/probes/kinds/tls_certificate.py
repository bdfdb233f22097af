"""The TLS probe: is the certificate valid, and for how long?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.probes.attempt import Attempt
from monitoring.probes.every_address import look_along
from monitoring.probes.expiry import critical_days, judge_left, limit_problems, warn_days
from monitoring.probes.failures import bad
from monitoring.probes.http.answer import Answer
from monitoring.probes.http.requests import origin_of
from monitoring.probes.kind import Kind
from monitoring.probes.model import ErrorType, Finding, ProbeResult, ProbeSpec
from monitoring.probes.net.certificates import ends_at_s, expiry_words
from monitoring.probes.net.connect import connect, doors_of
from monitoring.probes.net.connection import Connection
from monitoring.probes.net.route import ALL, addresses, connect_to, route_of
from monitoring.probes.net.timeline import Hop, Stage
from monitoring.probes.net.tls import TlsLayer
from monitoring.probes.net.tls_contexts import BROWSER, LEGACY, SECURITY, TlsProfile
from monitoring.probes.net.tls_settings import (
    OLD,
    TlsLevel,
    ca,
    check_handshake,
    client_certificate,
    client_key,
    client_problems,
    needs_legacy,
    opened_client,
    profile_for,
    read_version,
    tls_problems,
)
from monitoring.probes.secrets import Place, Secret
from monitoring.probes.settings import Problem, Settings, Unseal, degraded_over, setting
from monitoring.probes.target import Port, Target, read_host, read_target
from monitoring.probes.tools import Tools

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings(Settings):
    """Settings of `kind: tls`."""

    warn_days: int = warn_days(21, "certificate")
    critical_days: int | None = critical_days("certificate")
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
        help="Minimum TLS version that the server must use: 1.0 to 1.3.",
        reader=read_version,
        example="1.3",
    )
    verify_tls: bool = setting(
        True,
        label="Verify the certificate",
        help="Whether the certificate must be signed by a trusted authority for the name; its expiry is"
        " checked in any case.",
    )
    security: str = setting(
        BROWSER,
        label="TLS security",
        help="Cipher suites to accept: modern, those of a browser, or also those of old devices (legacy).",
        choices=SECURITY,
    )
    ca: str = ca()
    client_certificate: str | Secret | None = client_certificate()
    client_key: Secret | None = client_key()
    addresses: str = addresses()
    connect_to: Target | None = connect_to()  # noqa: RUF009  it makes a field, as the others
    degraded_over_ms: int | None = degraded_over()

    def problems(self) -> Iterator[Problem]:
        yield from limit_problems(self)
        if self.min_version in OLD and self.security != LEGACY:
            yield needs_legacy("min_version", self.min_version)
        yield from tls_problems(self)

    def secret_problems(self, place: Place, unseal: Unseal) -> Iterator[Problem]:
        return client_problems(self, place, unseal)


async def probe(spec: ProbeSpec, settings: TlsSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Do one handshake, and examine the server's certificate."""
    attempt = Attempt(spec, tools, lateness_ms)
    client = opened_client(settings, Place(spec.service_id, origin_of(spec.url, spec.settings)), tools.unseal)
    profile = TlsProfile(settings.security, settings.verify_tls, settings.ca, client)

    async def look_at(branch: Attempt) -> Finding:
        target = _read_target(spec.url)
        hop = branch.begin(spec.url, target.host, "TLS")
        await _shake_hands(target, settings, profile, hop, branch.tools)
        return judge(hop.chain, settings, hop.started_at_ms / 1000)

    async def look() -> Finding:
        target = _read_target(spec.url)
        if settings.connect_to is None and settings.addresses != ALL:
            return await look_at(attempt)
        route = route_of(target.host, target.port or HTTPS_PORT, settings.connect_to)
        return await look_along(attempt, look_at, route, settings, url=spec.url, method="TLS")

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms)


async def _shake_hands(target: Target, settings: TlsSettings, profile: TlsProfile, hop: Hop, tools: Tools) -> None:
    name = settings.server_name or target.host.removesuffix(".")
    context = await tools.tls_context(profile_for(profile, name))
    doors, port = await doors_of(target.host, target.port or HTTPS_PORT, tools)
    hop.enter(Stage.CONNECT)

    def make() -> Connection[Answer]:
        return Connection(hop, Answer(hop), TlsLayer(context, name, has_certificate=profile.client is not None))

    connection = await connect(doors, port, make, hop)
    try:
        hop.enter(Stage.TLS)
        await connection.handshake()
        hop.enter(Stage.FIRST_BYTE)
        level = TlsLevel(settings.security, settings.min_version)
        check_handshake(connection.peer(), level, hop, verify=profile.verify, server_name=name)
        if hop.is_certificate_asked and profile.client is None:
            hop.note("server asks for a client certificate, without which it may refuse requests")
    finally:
        connection.abort()


def judge(chain: Sequence[Mapping[str, Any]], settings: TlsSettings, now_s: float) -> Finding:
    """Judge how long certificates last that are trusted, if that is required."""
    if not chain:
        return bad(ErrorType.CONNECTION, "server showed no certificate")
    left_s = min(map(ends_at_s, chain)) - now_s
    return judge_left(left_s, expiry_words(chain, now_s), settings, ErrorType.CONNECTION)


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
