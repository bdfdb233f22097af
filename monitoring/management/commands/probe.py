"""`manage.py probe ID`: check one service now, from here, and show where the time goes."""

import asyncio
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from monitoring.instants import to_ms
from monitoring.models import Service
from monitoring.probe_worker import make_tools
from monitoring.probes import probe
from monitoring.probes.model import Phases, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.tools import Tools
from monitoring.specs import DueService, spec_of
from monitoring.wording import did_you_mean

HEADINGS = ("", "status", "DNS", "connect", "TLS", "first byte", "total", "(times in ms)")
LOOK_UP_S = 1.0


class Command(BaseCommand):
    help = "Check one service now, in this process, and print every phase in milliseconds; nothing is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the service's id")

    def handle(self, *args: Any, **options: Any) -> None:
        service = _find(options["id"])
        if not service.check_kind.is_active:
            self.stdout.write(f"not probed: a {service.check_kind.label.lower()}")
            return
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result, addresses = runner.run(_attempt(_spec_of(service)))
        is_bad = result.verdict is Verdict.BAD
        verdict = (self.style.ERROR if is_bad else self.style.SUCCESS)(result.verdict.upper())
        self.stdout.write(f"{verdict}  {service.id}  {result.error_message or _praise(result)}")
        for line in [*_table(result), *_facts(result, service, addresses)]:
            self.stdout.write(line)
        if is_bad:
            sys.exit(1)


def _find(id: str) -> Service:
    service = Service.objects.present().filter(id=id).first()
    if service is None:
        known = list(Service.objects.present().values_list("id", flat=True))
        hint = did_you_mean(id, known) or (
            f"Known are {', '.join(sorted(known)[:10])}." if known else "There are none."
        )
        raise CommandError(f"There is no service {id!r}. {hint.strip()}")
    return service


def _praise(result: ProbeResult) -> str:
    return "answered in full" if result.requests else "as it should be"


def _spec_of(service: Service) -> ProbeSpec:
    due = DueService(
        id=service.id,
        version=service.version,
        kind=service.kind,
        endpoint_url=service.endpoint_url or "",
        timeout=service.timeout,
        check_interval=service.check_interval,
        check_settings=json.dumps(service.check_settings),
        regions=service.regions,
        slot_ms=to_ms(timezone.now()),
    )
    return spec_of(due, settings.REGION)


async def _attempt(spec: ProbeSpec) -> tuple[ProbeResult, dict[str, Sequence[str]]]:
    tools = make_tools()
    result = await probe(spec, tools)
    urls = [each.url for each in result.requests if each.phases.dns_ms is not None]
    if not result.requests and result.phases.dns_ms is not None:
        urls = [spec.url]
    hosts = {httpx.URL(url).host for url in urls}
    return result, {host: found for host in hosts if (found := await _addresses(host, tools)) != [host]}


async def _addresses(host: str, tools: Tools) -> list[str]:
    """Look up again what the probe just found: that is in the resolver's memory, so it asks nobody."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            return list(await tools.resolver.resolve(host))
    except (TimeoutError, httpx.HTTPError):
        return []


def _table(result: ProbeResult) -> Iterator[str]:
    """Yield a line for each request and one for the whole, in aligned columns."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for number, request in enumerate(result.requests, 1):
        status = str(request.status_code or "–")
        rows.append((str(number), status, *_milliseconds(request.phases), f"{request.method} {request.url}"))
    if len(result.requests) != 1:
        rows.append(("all", str(result.status_code or "–"), *_milliseconds(result.phases), ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        *cells, url = (cell.rjust(width) for cell, width in zip(row, [*widths[:-1], 0], strict=True))
        yield f"  {'  '.join(cells)}  {url}".rstrip()


def _milliseconds(phases: Phases) -> Iterator[str]:
    for value in (phases.dns_ms, phases.connect_ms, phases.tls_ms, phases.first_byte_ms, phases.total_ms):
        yield "–" if value is None else f"{value:.1f}"


def _facts(result: ProbeResult, service: Service, addresses: dict[str, Sequence[str]]) -> Iterator[str]:
    facts = {f"{host} is": ", ".join(found) for host, found in addresses.items()}
    if result.error_type:
        facts["error type"] = result.error_type
    facts["timeout"] = f"{service.timeout} ms, of which {result.phases.total_ms:.1f} ms were used"
    facts["region"] = result.region
    width = max(map(len, facts))
    for name, text in facts.items():
        yield f"  {name.ljust(width)}  {text}"
