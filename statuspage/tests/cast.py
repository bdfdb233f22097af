"""Fixtures for the tests of the page: an instant, services in a state, and a keeper that reads at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.models import Service, ServiceState
from monitoring.probes.model import Verdict
from monitoring.rules.state import Status
from statuspage.keeper import Job, Keeper

NOW = datetime(2025, 3, 9, 14, 25, tzinfo=UTC)
VERDICTS = {Status.OPERATIONAL: Verdict.OK, Status.PARTIAL: Verdict.SLOW, Status.DOWN: Verdict.BAD}


def at_once(job: Job) -> None:
    """Run a job in the caller's thread, and so in the transaction of the test."""
    job()


def reading_keeper() -> Keeper:
    return Keeper(run=at_once)


def make_service(
    name: str,
    status: Status = Status.OPERATIONAL,
    *,
    since: timedelta = timedelta(hours=1),
    age: timedelta = timedelta(seconds=12),
    stale_in: timedelta = timedelta(minutes=2),
    response_ms: float | None = 84.4,
    **columns: Any,
) -> Service:
    """Create a service whose newest check is `age` old, in a run that began `since` ago."""
    service = Service.objects.create(
        id=f"s-{Service.objects.count()}",
        name=name,
        display_name=name,
        endpoint_url="https://example.com/",
        status=status,
        **columns,
    )
    ServiceState.objects.create(
        service=service,
        status=status,
        is_down=status is Status.DOWN,
        verdict=VERDICTS.get(status, Verdict.OK),
        run_first_at=NOW - since,
        run_last_at=NOW - age,
        run_count=3,
        run_hold_s=150,
        stale_at=NOW + stale_in,
        last_response_ms=response_ms,
    )
    return service


def make_unmeasured(name: str) -> Service:
    return Service.objects.create(
        id=f"s-{Service.objects.count()}", name=name, display_name=name, endpoint_url="https://example.com/"
    )
