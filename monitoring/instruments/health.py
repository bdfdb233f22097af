"""The engine's part of /health: database, broker, the last dispatch, the workers' stamps."""

from collections import defaultdict
from datetime import timedelta

import redis
from django.conf import settings
from django.db import connection

from monitoring.config import clock
from monitoring.engine import clock_check
from monitoring.engine.pace import pace
from monitoring.engine.refused_targets import refused_targets, unresolved_targets
from monitoring.engine.workers import LATE_STAMP_AFTER, seen_since
from monitoring.models import DispatchWatermark, RegionSight, Service
from monitoring.rules.unix_time import to_ms
from monitoring.worker.stamper import DISPATCH
from observability.health import Finding, Health, checks

REFUSED_LATELY = timedelta(minutes=10)
WORKER_MISSED_FOR = timedelta(hours=1)  # a worker that was removed on purpose is not reported for ever


def check_database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(status=Health.HEALTHY)


def check_redis() -> Finding:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
        client.ping()
    return Finding(status=Health.HEALTHY)


def check_dispatch() -> Finding:
    """Judge the age of the last dispatch; the watermark is normally ahead of the clock."""
    watermark = DispatchWatermark.objects.first()
    if watermark is None:
        return Finding(status=Health.DEGRADED, message="no check has been dispatched yet")
    now = clock.now()
    age_s = watermark.age(now).total_seconds()
    if watermark.is_late(now):
        message = f"no slot has been dispatched for {age_s:.0f} s"
        if not _has_dispatcher():
            message += "; no dispatcher is running, start one: manage.py run dispatch"
        return Finding(status=Health.UNHEALTHY, message=message)
    if watermark.is_ahead(now):
        message = f"slots were dispatched {-age_s:.0f} s too early, and none since then: a clock was wrong"
        return Finding(status=Health.UNHEALTHY, message=message)
    return Finding(status=Health.HEALTHY, message=f"{watermark.skipped_slots} slots skipped so far")


def _has_dispatcher() -> bool:
    """Return whether a worker for dispatch alone was seen lately. One query."""
    now = clock.now()
    return seen_since(now - LATE_STAMP_AFTER, now).filter(role=DISPATCH).exists()


def check_workers() -> Finding:
    """Check that every region in use has a worker that was seen lately."""
    now = clock.now()
    needed = needed_regions()
    seen = defaultdict(list)
    for worker in seen_since(now - WORKER_MISSED_FOR, now):
        for region in (worker.region or "").split(","):
            seen[region].append(worker.seen_at)
    missing = sorted(
        region for region in needed if max(seen[region], default=now - WORKER_MISSED_FOR) < now - LATE_STAMP_AFTER
    )
    alive = sum(stamp >= now - LATE_STAMP_AFTER for stamps in seen.values() for stamp in stamps)
    if missing:
        return Finding(status=Health.UNHEALTHY, message=f"no probe worker for region {', '.join(missing)}")
    return Finding(status=Health.HEALTHY, message=f"{alive} alive")


def check_pace() -> Finding:
    """Check that the checks that were due lately are stored."""
    found = pace(clock.now())
    if found.is_behind:
        message = f"falling behind: {found.stored_per_s:,.0f} of {found.due_per_s:,.0f} checks/s"
        return Finding(status=Health.DEGRADED, message=message)
    return Finding(status=Health.HEALTHY, message=f"{found.stored_per_s:,.0f} checks/s")


def needed_regions() -> set[str]:
    """Return the regions of monitored services. One query."""
    return {region for regions in Service.objects.monitored().values_list("regions", flat=True) for region in regions}


def check_network() -> Finding:
    """Check that the canaries answer, if there are any."""
    blind = RegionSight.objects.exclude(blind_since=None).order_by("blind_since")
    words = [f"since {each.blind_since:%Y-%m-%d %H:%M} UTC (region {each.region})" for each in blind]
    if words:
        return Finding(status=Health.DEGRADED, message=f"our own network seems down {', '.join(words)}")
    return Finding(status=Health.HEALTHY)


def check_clocks() -> Finding:
    """Check for clocks that differ from the broker's, and for messages refused lately for that reason."""
    words = []
    if off := clock_check.differing():
        names = ", ".join(map(str, off))
        words.append(f"clocks differ from the broker's: {names}; run chrony or systemd-timesyncd on these machines")
    words += clock_check.refused_lately()
    return Finding(status=Health.DEGRADED if words else Health.HEALTHY, message="; ".join(words))


def check_messages() -> Finding:
    """Check whether workers lately refused messages on the broker."""
    now = clock.now()
    lately_ms = to_ms(now - REFUSED_LATELY)
    counters = seen_since(now - WORKER_MISSED_FOR, now).values_list("counters", flat=True)
    refused = sum(each["refused_messages"] for each in counters if each.get("refused_at_ms", 0) > lately_ms)
    if refused:
        message = f"workers refused {refused:,} messages that were not signed with our SECRETS_KEY"
        return Finding(status=Health.DEGRADED, message=message)
    return Finding(status=Health.HEALTHY)


def check_targets() -> Finding:
    """Check whether our own settings forbid to probe services. Only their number is public."""
    if refused := refused_targets(clock.now()):
        message = f"not checked because our settings refuse the address: {len(refused)} services; see manage.py doctor"
        return Finding(status=Health.DEGRADED, message=message)
    return Finding(status=Health.HEALTHY)


def check_names() -> Finding:
    """Check whether our own DNS servers work. Only the number of services is public."""
    if unresolved := unresolved_targets(clock.now()):
        message = f"not checked because our own DNS servers fail: {len(unresolved)} services; see manage.py doctor"
        return Finding(status=Health.DEGRADED, message=message)
    return Finding(status=Health.HEALTHY)


checks.register("database", check_database, needed_to_serve=True)
if settings.REDIS_URL:
    checks.register("redis", check_redis)
checks.register("dispatch", check_dispatch)
checks.register("workers", check_workers)
checks.register("pace", check_pace)
checks.register("network", check_network)
checks.register("clocks", check_clocks)
checks.register("messages", check_messages)
checks.register("targets", check_targets)
checks.register("names", check_names)
