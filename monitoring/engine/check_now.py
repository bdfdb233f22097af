"""Check one service at once, in this process, and store nothing: for `manage.py probe` and the button in the admin."""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import httpx
import uvloop
from django.conf import settings

from monitoring.models import Service
from monitoring.probes import probe
from monitoring.probes.model import ProbeResult, ProbeSpec
from monitoring.probes.net.names import parse_url
from monitoring.probes.net.route import read_door
from monitoring.probes.settings import Notes
from monitoring.probes.tools import Tools
from monitoring.rules.unix_time import to_ms
from monitoring.worker.probe_worker import make_tools
from monitoring.worker.specs import DueService, spec_of
from observability import trace

LOOK_UP_S = 1.0
AT_MOST_MS = 20_000  # timeout of a check on request, because the caller and a thread of the web server wait for it
_seats = threading.BoundedSemaphore(2)  # checks on request at a time, so that threads are left for other requests


class TooManyChecks(Exception):
    """As many checks are running on request as are allowed at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of one check, its timeout, and the addresses of the names that it looked up."""

    result: ProbeResult
    timeout_ms: int
    addresses: Mapping[str, Sequence[str]]


def check_on_request(service: Service, now: datetime) -> Attempt:
    """Probe a service, saved or not, while a user of the web server waits.

    Raises `TooManyChecks`, and what `check_now` raises.
    """
    if not _seats.acquire(blocking=False):
        raise TooManyChecks
    try:
        return check_now(service, now, at_most_ms=AT_MOST_MS)
    finally:
        _seats.release()


def check_now(service: Service, now: datetime, *, at_most_ms: int | None = None) -> Attempt:
    """Probe a service, which must not be a heartbeat; `at_most_ms` shortens a longer timeout.

    Raises `NotAllowed` when our own rules refuse its address.
    """
    timeout_ms = min(service.timeout, at_most_ms or service.timeout)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result, addresses = runner.run(_attempt(_spec_of(service, timeout_ms, now)))
    return Attempt(result=result, timeout_ms=timeout_ms, addresses=addresses)


def _spec_of(service: Service, timeout_ms: int, now: datetime) -> ProbeSpec:
    due = DueService(
        id=service.id,
        version=service.version,
        kind=service.kind,
        endpoint_url=service.endpoint_url or "",
        timeout=timeout_ms,
        check_interval=service.check_interval,
        check_settings=json.dumps(service.check_settings),
        regions=service.regions,
        slot_ms=to_ms(now),
    )
    spec, asked_by = spec_of(due, settings.REGION), trace.current()
    return replace(spec, trace_id=asked_by.trace_id) if asked_by else spec  # the target continues the caller's trace


async def _attempt(spec: ProbeSpec) -> tuple[ProbeResult, dict[str, Sequence[str]]]:
    tools = make_tools()
    result = await probe(spec, tools)
    urls = [each.url for each in result.requests if each.phases.dns_ms is not None]
    if not result.requests and result.phases.dns_ms is not None:
        urls = [spec.url]
    hosts = {parse_url(url).raw_host.decode("ascii") for url in urls}  # `host` fails for names that IDNA 2008 refuses
    if door := spec.settings.get("connect_to"):
        hosts = (hosts - {parse_url(spec.url).raw_host.decode("ascii")}) | {read_door(door, Notes("connect_to")).host}
    return result, {host: found for host in hosts if (found := await _addresses(host, tools)) != [host]}


async def _addresses(host: str, tools: Tools) -> list[str]:
    """Look up a name that the probe has just looked up; the resolver's cache answers."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            return list(await tools.resolver.resolve(host))
    except (TimeoutError, httpx.HTTPError):
        return []
