"""Add the demonstration to an installation once: services, users, incidents, and 90 days of sample checks."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import User
from database import changes
from database.locks import lock_in_transaction
from incidents import system_status
from monitoring.accounting import hourly, rollup
from monitoring.catalogue.sync import Wanted, sync
from monitoring.checks.storing import kept
from monitoring.config.thresholds import POLICY
from monitoring.models import Service
from monitoring.models.services import SAMPLE_UNTIL, phase_of
from monitoring.rules.calendar_days import day_of, days_between
from slamonitor import own_service, seeding
from slamonitor.demo import sample_incidents, storing
from slamonitor.demo.behaviours import SLOW_OVER_MS, answer
from slamonitor.demo.past import TIMEOUT_MS, Past, make_up
from slamonitor.demo.sample_services import LIVE_INTERVAL_MS, MARK, SAMPLE_SERVICES, SampleService

SERVICE_AGE = timedelta(days=91)
PAST = min(timedelta(days=90), kept()) - timedelta(
    hours=1
)  # as shown on the page, but within the retention of raw rows


class OtherServices(Exception):
    """The installation has services that do not belong to the demonstration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The objects that were added; all empty if everything existed."""

    services: int = 0
    checks: int = 0
    incidents: int = 0
    moved: int = 0  # services whose URL was changed to the new port
    passwords: dict[str, str] = field(default_factory=dict)  # by user name; only their hashes are stored


def add_demo(port: int, now: datetime, past: timedelta = PAST) -> Added:
    """Add the demonstration. If it exists, only change its URLs to the port.

    Raises `OtherServices` before anything is changed.
    """
    if Service.objects.filter(metadata__has_key=MARK).exists():
        return Added(moved=_follow(port))
    refuse_others()
    since = now - past
    storing.make_partitions(since, now)
    with transaction.atomic():
        lock_in_transaction("seeding")
        pasts = {sample.service_id: _past_of(sample, since, now) for sample in SAMPLE_SERVICES}
        passwords = seeding.add_users()
        _add_services(port, pasts, now)
        checks = storing.store(pasts)
        told = sample_incidents.add(pasts, User.objects.filter(username="reporter").first(), now)
        system_status.refresh(now)
        changes.bump("page")
    storing.analyze()
    _account(since, now)
    return Added(services=len(SAMPLE_SERVICES), checks=checks, incidents=told, passwords=passwords)


def _account(since: datetime, now: datetime) -> None:
    """Roll up hours and days as the engine does each night. If this is interrupted, the engine continues it."""
    hourly.roll_up(now)
    zone, ids = settings.PAGE_TIME_ZONE, [sample.service_id for sample in SAMPLE_SERVICES]
    for day in days_between(day_of(since, zone), day_of(now, zone)):
        rollup.roll_up(day, ids, now, zone, audits=False)


def refuse_others() -> None:
    """Raise `OtherServices` if other services exist: sample data must never be mixed with real data."""
    others = Service.objects.exclude(id=own_service.ID)
    if names := list(others.order_by("id").values_list("id", flat=True)[:4]):
        listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise OtherServices(
            f"This installation has other services ({listed}), and sample data must not be mixed with theirs."
            " Start the demo with a state directory of its own: manage.py up --demo --state-dir var/demo"
        )


def _past_of(sample: SampleService, since: datetime, now: datetime) -> Past:
    zone = settings.PAGE_TIME_ZONE
    return make_up(
        lambda at: answer(sample.kind, at.astimezone(zone)),
        since=since,
        until=now,
        phase_ms=lambda interval_ms: phase_of(sample.service_id, interval_ms),
        policy=POLICY,
    )


def _add_services(port: int, pasts: dict[str, Past], now: datetime) -> None:
    marks = {"sample": True, SAMPLE_UNTIL: now.isoformat(timespec="seconds")}
    common = {
        "check_interval": LIVE_INTERVAL_MS,
        "timeout": TIMEOUT_MS,
        "check_settings": {"degraded_over_ms": SLOW_OVER_MS},
    }
    sync(
        [
            Wanted(
                id=sample.service_id,
                values={
                    **sample.names,
                    **common,
                    "description": sample.text,
                    "endpoint_url": sample.url(port),
                    "metadata": {**marks, MARK: sample.url(port)},
                },
            )
            for sample in SAMPLE_SERVICES
        ]
    )
    for service_id, past in pasts.items():
        Service.objects.filter(id=service_id).update(status=past.state.status, created_at=now - SERVICE_AGE)


def _follow(port: int) -> int:
    """Change the services' URLs to the port, except URLs that a user changed; return the number of changes."""
    stored = Service.objects.present().in_bulk([sample.service_id for sample in SAMPLE_SERVICES])
    wanted = []
    for sample in SAMPLE_SERVICES:
        service, url = stored.get(sample.service_id), sample.url(port)
        if service and service.endpoint_url == service.metadata.get(MARK) != url:
            wanted.append(
                Wanted(id=service.id, values={"endpoint_url": url, "metadata": {**service.metadata, MARK: url}})
            )
    return len(sync(wanted).updated) if wanted else 0
