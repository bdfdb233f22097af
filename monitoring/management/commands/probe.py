"""`manage.py probe ID`: check one service now, from this machine, and show its phases."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.core.management.base import BaseCommand
from django.utils import timezone

from monitoring.engine.check_now import Attempt, check_now
from monitoring.management import service_ids
from monitoring.models import Service
from monitoring.probes.failures import NoNameServer, NotAllowed, NotKnown
from monitoring.probes.model import Phases, ProbeResult, Verdict

DAY_MS = 86_400_000
HEADINGS = ("", "status", "DNS", "connect", "TLS", "first byte", "total", "(times in ms)")


class Command(BaseCommand):
    help = "Check one service now, in this process, and print each phase in milliseconds. The result is not stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the service's id")

    def handle(self, *args: Any, **options: Any) -> None:
        service = _find(options["id"])
        if not service.check_kind.is_active:
            self.stdout.write(f"not probed: a {service.check_kind.label.lower()}")
            return
        try:
            attempt = check_now(service, timezone.now())
        except NotAllowed as error:
            self._say_not_checked(service, error, "Our settings refuse this address; the target is not at fault.")
        except NoNameServer as error:
            self._say_not_checked(service, error, "Our own DNS servers don't work; the target is not at fault.")
        except NotKnown as error:
            self._say_not_checked(service, error, "This says nothing about the target.", title="NOT KNOWN")
        result = attempt.result
        is_bad = result.verdict is Verdict.BAD
        verdict = (self.style.ERROR if is_bad else self.style.SUCCESS)(result.verdict.upper())
        self.stdout.write(f"{verdict}  {service.id}  {result.error_message or _praise(result)}")
        for line in [*_table(result), *_facts(attempt)]:
            self.stdout.write(line)
        if is_bad:
            sys.exit(1)

    def _say_not_checked(self, service: Service, why: Exception, whose: str, *, title: str = "NOT CHECKED") -> NoReturn:
        self.stdout.write(f"{self.style.WARNING(title)}  {service.id}  {why}")
        self.stdout.write(f"{whose} No check is stored, and the time counts as unknown.")
        sys.exit(2)


def _find(id: str) -> Service:
    service = Service.objects.present().filter(id=id).first()
    if service is None:
        service_ids.require([id], list(Service.objects.present().values_list("id", flat=True)))
    assert service is not None
    return service


def _praise(result: ProbeResult) -> str:
    return "answered in full" if result.requests else "as it should be"


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


def _facts(attempt: Attempt) -> Iterator[str]:
    result = attempt.result
    facts = {f"{host} is": ", ".join(found) for host, found in attempt.addresses.items()}
    for number, request in enumerate(result.requests, 1):
        if request.certificate_ends_at_s is not None:
            facts[f"certificate {number}"] = _expiry(request.certificate_ends_at_s, request.started_at_ms)
    if result.remarks:
        facts["remarks"] = "; ".join(result.remarks)
    if result.error_type:
        facts["error type"] = result.error_type
    facts["timeout"] = f"{attempt.timeout_ms} ms, of which {result.phases.total_ms:.1f} ms were used"
    facts["region"] = result.region
    width = max(map(len, facts))
    for name, text in facts.items():
        yield f"  {name.ljust(width)}  {text}"


def _expiry(ends_at_s: int, now_ms: int) -> str:
    ends_on = datetime.fromtimestamp(ends_at_s, UTC)
    return f"expires on {ends_on:%Y-%m-%d}, days left: {(ends_at_s * 1000 - now_ms) // DAY_MS}"
