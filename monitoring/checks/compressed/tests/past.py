"""A past that is compressed in tests, and all that can be read of it."""

from datetime import timedelta
from typing import Any

from monitoring.checks import check_search
from monitoring.checks.check_search import Wanted
from monitoring.engine import recording
from monitoring.models import Service, WatchServerLog
from monitoring.probes.model import MeasuredRequest, Phases
from monitoring.tests.factories import START, START_MS, make_result, make_service

DAY = START.date()
LATER = START + timedelta(days=20)
A_DAY = 86_400


def make_past() -> Service:
    """Two days with an outage, a slow hour, a blind failure and a redirect, recorded as they were made."""
    service = make_service(check_interval=300_000)
    Service.objects.update(created_at=START - timedelta(days=1))
    batch = []
    for second in range(-3600, 2 * A_DAY, 300):
        verdict = "bad" if 7200 <= second < 10_800 else "slow" if 20_000 <= second < 23_600 else "ok"
        jitter = Phases(dns_ms=1.01, connect_ms=2.5, first_byte_ms=30 + second % 7, total_ms=40.07 + second % 7)
        batch.append(make_result(second, verdict, interval_ms=300_000, phases=jitter, requests=hops(second, jitter)))
    recording.record(batch, START + timedelta(days=2))
    WatchServerLog.objects.filter(checked_at=START + timedelta(seconds=7200)).update(metadata={"blind": "1.1.1.1"})
    return service


def hops(second: int, phases: Phases) -> tuple[MeasuredRequest, ...]:
    """One request, or two where it was redirected."""
    urls = ["http://payments.example/health", "http://payments.example/moved"][: 2 if second % 900 == 0 else 1]
    return tuple(
        MeasuredRequest(
            started_at_ms=START_MS + second * 1000 + 3 * number,
            url=url,
            method="GET",
            status_code=200,
            error_message=None,
            phases=phases,
        )
        for number, url in enumerate(urls)
    )


def listed(**wanted: Any) -> list[dict[str, Any]]:
    """All checks that the browser and the API list, with every column, page by page."""
    window = Wanted(since=START - timedelta(days=2), until=START + timedelta(days=3), **wanted)
    page, found = check_search.read(window, rows=100), []
    while True:
        found += [columns(check) for check in page.checks]
        if page.older is None:
            return found
        page = check_search.read(window, after=page.older, rows=100)


def columns(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
