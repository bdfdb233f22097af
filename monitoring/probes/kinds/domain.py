"""The domain probe: until when is a domain registered? Asks the registry by RDAP (RFC 9082 and 9083)."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from monitoring.probes.attempt import Attempt
from monitoring.probes.domain_memory import Registration
from monitoring.probes.expiry import critical_days, judge_left, limit_problems, warn_days
from monitoring.probes.failures import TARGET_ERRORS, NotAllowed, NotKnown, bad
from monitoring.probes.http.answer import Reply
from monitoring.probes.http.content_type import read_content_type, values_of
from monitoring.probes.http.http_settings import HttpSettings
from monitoring.probes.http.requests import REDIRECTS, Requests, check_url, next_step, shown
from monitoring.probes.http.transport import send
from monitoring.probes.kind import Kind
from monitoring.probes.model import ErrorType, Finding, ProbeResult, ProbeSpec
from monitoring.probes.net.address import literal
from monitoring.probes.net.certificates import in_words
from monitoring.probes.settings import Notes, Problem, Settings, is_text, setting
from monitoring.probes.target import Port, Target, read_target
from monitoring.probes.tools import Tools

RDAP_ORG = "https://rdap.org/"  # redirects to the registry's own server, by the list of IANA
ASKING_SHARE = 0.9  # of the timeout; the rest is left to say that the registry did not answer
ENDING = frozenset({"redemption period", "pending delete"})  # RFC 8056: the registry deletes the domain
LAST_S = 253_402_300_799  # the end of the year 9999, in which some registries say "never"
_ASKS_FOR = HttpSettings(headers=(("Accept", "application/rdap+json, application/json"),))


def read_server(value: Any, notes: Notes) -> str:
    """Read the address of an RDAP server. A `Reader`."""
    if is_text(value, notes):
        try:
            check_url(value)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            notes.add("%(value)s is not the address of an RDAP server. Enter one like https://rdap.org/.", value)
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings(Settings):
    """Settings of `kind: domain`."""

    warn_days: int = warn_days(30, "domain")
    critical_days: int | None = critical_days("domain")
    rdap_server: str = setting(
        RDAP_ORG,
        label="RDAP server",
        placeholder=RDAP_ORG,
        help="RDAP server of the registry, or one that redirects to it.",
        reader=read_server,
        example="https://rdap.verisign.com/com/v1/",
    )

    def problems(self) -> Iterator[Problem]:
        return limit_problems(self)


async def probe(spec: ProbeSpec, settings: DomainSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Judge by what the registry said within a day, else ask it. Raises `NotKnown` where it cannot be asked."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look() -> Finding:
        domain = _read_target(spec.url).host.lower().removesuffix(".")
        hop, server = attempt.begin(spec.url, domain, "RDAP"), settings.rdap_server
        known = tools.domains.fresh(domain, server, hop.started_at_ms)
        if known is None:
            # Its requests are no part of this attempt: how fast the registry is says nothing about the domain.
            known = await _ask(Attempt(spec, tools, lateness_ms), domain, server, hop.started_at_ms)
            tools.domains.keep(domain, server, known)
        if known.silence:
            raise NotKnown(known.silence)
        return judge(domain, known, settings, hop.started_at_ms / 1000)

    return await attempt.run(look)


async def _ask(attempt: Attempt, domain: str, server: str, now_ms: int) -> Registration:
    url = f"{server.rstrip('/')}/domain/{domain}"
    try:
        async with asyncio.timeout(ASKING_SHARE * attempt.spec.timeout_ms / 1000):
            response = await _follow(attempt, url)
        return read_answer(response, now_ms, may_be_unknown=server == RDAP_ORG and len(attempt.hops) == 1)
    except TimeoutError:
        words = "it did not answer in time"
    except NotAllowed as error:
        raise NotAllowed(f"RDAP server {attempt.hops[-1].host}: {error}") from error
    except (*TARGET_ERRORS, ValueError) as error:
        words = str(error)
    return Registration(asked_at_ms=now_ms, silence=f"RDAP server {attempt.hops[-1].host} could not be asked: {words}")


async def _follow(attempt: Attempt, text: str) -> Reply:
    """Return the registry's answer. Raises `TARGET_ERRORS` or `NotAllowed`."""
    requests = Requests(replace(attempt.spec, url=text), _ASKS_FOR, attempt.tools)
    url, method = requests.first_url, "GET"
    for number in range(REDIRECTS + 1):
        hop = attempt.begin(str(url), url.raw_host.decode("ascii"), method)
        request = requests.build(url, method, number)
        response = await send(request, hop, attempt.tools, keep_body=True)
        step = next_step(request, response, hop)
        if step is None:
            return response
        url, method = step
    raise httpx.TooManyRedirects(f"more than {REDIRECTS} redirects, the last to {shown(str(url))}")


def read_answer(response: Reply, now_ms: int, *, may_be_unknown: bool = False) -> Registration:
    """Read what a registry said. Raises `ValueError` in words if that is not the expiry of a domain.

    `may_be_unknown` says that a 404 is not the registry's own.
    """
    if response.status_code == 404 and may_be_unknown:
        raise ValueError("it knows no RDAP server of this registry. Set rdap_server, if the registry has one")
    if response.status_code == 404 and _is_page(response):  # of a web server, or of a wrong path
        raise ValueError("it answered 404 with a web page. Compare rdap_server with the list of IANA")
    if response.status_code == 404:
        return Registration(asked_at_ms=now_ms)
    if response.status_code != 200 or response.is_cut:
        raise ValueError(f"it answered {response.status_code}")
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        raise ValueError("its answer is not JSON") from None
    if not isinstance(answer, Mapping) or answer.get("objectClassName") != "domain":
        raise ValueError("its answer is not about a domain")
    ends = list(_expirations(answer.get("events")))
    statuses = [str(status).lower() for status in _listed(answer.get("status"))]
    ending = next((status for status in statuses if status in ENDING), "")
    if not ends and not ending:
        raise ValueError("it does not say when domains expire")
    return Registration(asked_at_ms=now_ms, expires_at_s=min(ends, default=now_ms // 1000), ending=ending)


def _is_page(response: Reply) -> bool:
    """Return whether an answer is HTML, which no registry says about a domain (RFC 7480, 5.3)."""
    return read_content_type(values_of(response.headers)).kind == "text/html" and bool(response.content.strip())


def _expirations(events: Any) -> Iterator[int]:
    for event in _listed(events):
        if isinstance(event, Mapping) and event.get("eventAction") == "expiration":
            try:
                at = datetime.fromisoformat(str(event.get("eventDate")).strip().upper())
            except ValueError:
                continue
            yield min(max(int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()), 0), LAST_S)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def judge(domain: str, known: Registration, settings: DomainSettings, now_s: float) -> Finding:
    """Judge what a registry said of a domain."""
    if known.expires_at_s is None:
        return bad(ErrorType.DNS, f"domain {domain} is not registered")
    if known.ending:
        return bad(ErrorType.DNS, f"domain {domain} is about to be deleted by the registry ({known.ending})")
    left_s = known.expires_at_s - now_s
    on = f"{datetime.fromtimestamp(known.expires_at_s, UTC):%Y-%m-%d}"
    if left_s < 0:
        return bad(ErrorType.DNS, f"domain {domain} expired {in_words(-left_s)} ago, on {on}")
    return judge_left(left_s, f"domain {domain} expires in {in_words(left_s)}, on {on}", settings, ErrorType.DNS)


def _read_target(url: str) -> Target:
    target = read_target(url, "domain", Port.NONE)
    if literal(target.host) is not None or "." not in target.host.strip("."):
        raise httpx.InvalidURL("address is not a domain like domain://example.com")
    return target


KIND = Kind(
    name="domain",
    label="Domain registration",
    settings=DomainSettings,
    schemes=("domain",),
    check_url=_read_target,
    probe=probe,
)
