"""Set the stage of the demonstration, once: services, users, ninety days of made-up checks, incidents."""

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
from slamonitor.demo import stories, storing
from slamonitor.demo.behaviours import SLOW_OVER_MS, answer
from slamonitor.demo.cast import CAST, LIVE_INTERVAL_MS, MARK, Part
from slamonitor.demo.past import TIMEOUT_MS, Past, make_up

BORN = timedelta(days=91)
PAST = min(timedelta(days=90), kept()) - timedelta(hours=1)  # what the page shows, and no older than raw rows are kept


class NotOurs(Exception):
    """The installation has services that do not belong to the demonstration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The objects that were added; all empty if everything existed."""

    services: int = 0
    checks: int = 0
    incidents: int = 0
    moved: int = 0  # services whose URL follows the port
    passwords: dict[str, str] = field(default_factory=dict)  # by user name; readable only here and now


def set_stage(port: int, now: datetime, past: timedelta = PAST) -> Staged:
    """Add the demonstration where there is none yet; where there is one, only let its URLs follow the port.

    Raises `NotOurs`, and then changes nothing.
    """
    if Service.objects.filter(metadata__has_key=MARK).exists():
        return Staged(moved=_follow(port))
    refuse_others()
    since = now - past
    storing.make_partitions(since, now)
    with transaction.atomic():
        lock_in_transaction("seeding")
        pasts = {part.service_id: _past_of(part, since, now) for part in CAST}
        passwords = seeding.add_users()
        _add_services(port, pasts, now)
        checks = storing.store(pasts)
        told = stories.tell(pasts, User.objects.filter(username="reporter").first(), now)
        system_status.refresh(now)
        changes.bump("page")
    storing.analyze()
    _account(since, now)
    return Staged(services=len(CAST), checks=checks, incidents=told, passwords=passwords)


def _account(since: datetime, now: datetime) -> None:
    """Roll up hours and days as the engine does each night; were this to break off, the engine would go on with it."""
    hourly.roll_up(now)
    zone, ids = settings.PAGE_TIME_ZONE, [part.service_id for part in CAST]
    for day in days_between(day_of(since, zone), day_of(now, zone)):
        rollup.roll_up(day, ids, now, zone, audits=False)


def refuse_others() -> None:
    """Raise `NotOurs` if other services exist: sample data must never be mixed with real data."""
    others = Service.objects.exclude(id=own_service.ID)
    if names := list(others.order_by("id").values_list("id", flat=True)[:4]):
        listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise NotOurs(
            f"This installation has services of its own ({listed}), and made-up data must not stand beside theirs."
            " Give the demonstration a place to itself: manage.py up --demo --state-dir var/demo"
        )


def _past_of(part: Part, since: datetime, now: datetime) -> Past:
    zone = settings.PAGE_TIME_ZONE
    return make_up(
        lambda at: answer(part.kind, at.astimezone(zone)),
        since=since,
        until=now,
        phase_ms=lambda interval_ms: phase_of(part.service_id, interval_ms),
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
                id=part.service_id,
                values={
                    **part.names,
                    **common,
                    "description": part.description,
                    "endpoint_url": part.url(port),
                    "metadata": {**marks, MARK: part.url(port)},
                },
            )
            for part in CAST
        ]
    )
    for service_id, past in pasts.items():
        Service.objects.filter(id=service_id).update(status=past.state.status, created_at=now - BORN)


def _follow(port: int) -> int:
    """Point the services to the port, apart from those whose URL somebody changed; return how many moved."""
    stored = Service.objects.present().in_bulk([part.service_id for part in CAST])
    wanted = []
    for part in CAST:
        service, url = stored.get(part.service_id), part.url(port)
        if service and service.endpoint_url == service.metadata.get(MARK) != url:
            wanted.append(
                Wanted(id=service.id, values={"endpoint_url": url, "metadata": {**service.metadata, MARK: url}})
            )
    return len(sync(wanted).updated) if wanted else 0
