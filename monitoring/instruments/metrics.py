"""The engine's metrics for `/metrics`: some are counted with each batch, others read from database and broker."""

from collections.abc import Iterable
from datetime import UTC

import redis
from django.conf import settings
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.backoff import NoBackoff
from redis.retry import Retry

from database import partitions
from monitoring.config import clock
from monitoring.engine.workers import LATE_STAMP_AFTER, seen_since
from monitoring.instruments.health import needed_regions
from monitoring.models import DispatchWatermark, EngineCounter, Service
from monitoring.models.raw import RAW_TABLES
from monitoring.models.rollups import RollupRequest
from monitoring.rules.calendar_days import bounds
from monitoring.rules.state import Status
from monitoring.states.live import with_live_status
from monitoring.worker.stamper import ROLES
from observability import metrics

QUEUES = ("dispatch", "results", "alerts", "rollups")
MOST_REGIONS = 50  # with a label each; further ones are left out


def of_dispatch() -> Iterable[Metric]:
    """Read the watermark. One query."""
    watermark = DispatchWatermark.objects.first()
    if watermark is None:
        return
    yield _counter("slots_dispatched", "Slots dispatched.", watermark.dispatched_slots)
    yield _counter(
        "slots_skipped", "Slots skipped after a pause of dispatching; they are gaps.", watermark.skipped_slots
    )
    # A dispatch in the future has no known time, and its negative age must not look healthy.
    age_s = abs(watermark.age(clock.now()).total_seconds())
    yield _gauge("last_dispatch_age_seconds", "Time since slots were last dispatched.", age_s)


def of_workers() -> Iterable[Metric]:
    """Read the facts that workers on all machines report in their stamps. One query."""
    now = clock.now()
    workers = list(seen_since(now - LATE_STAMP_AFTER, now))
    seen = GaugeMetricFamily(metrics.PREFIX + "workers", "Workers seen in the last 20 s.", labels=["role"])
    for role in ROLES:
        seen.add_metric([role], sum(worker.role == role for worker in workers))
    yield seen
    for name, words in {
        "held": "Specs held by probe workers, waiting or in progress.",
        "expired": "Specs dropped because they arrived too late, since the workers started.",
        "ahead": "Specs refused because they were due too far in the future, since the workers started.",
        "lost": "Results lost because the broker was unreachable for too long, since the workers started.",
        "stalled": "Checks without a verdict because the worker was stalled, since the workers started.",
        "unknown": "Checks without a verdict because a registry could not be asked, since the workers started.",
        "refused": "Checks without a verdict because our settings refuse the address, since the workers started.",
        "unresolved": "Checks without a verdict because our own DNS servers failed, since the workers started.",
        "own_errors": "Checks that failed because of an internal error, since the workers started.",
    }.items():
        yield _gauge(f"probe_{name}", words, sum(worker.counters.get(name, 0) for worker in workers))
    off = [abs((worker.facts or {}).get("clock_ahead_ms") or 0) / 1000 for worker in workers]
    yield _gauge(
        "worker_clock_offset_seconds",
        "Largest difference between a worker's clock and the broker's.",
        max(off, default=0.0),
    )
    words = "Messages refused because they were not signed by us, since the workers started."
    yield _gauge("messages_refused", words, sum(worker.counters.get("refused_messages", 0) for worker in workers))


def of_services() -> Iterable[Metric]:
    """Count monitored services by their status now. One query."""
    found = GaugeMetricFamily(metrics.PREFIX + "services", "Monitored services, by status now.", labels=["status"])
    statuses = with_live_status(Service.objects.monitored(), timezone.now()).values_list("live_status")
    numbers = dict(statuses.annotate(Count("id")))
    for status in Status:
        found.add_metric([status], numbers.get(status, 0))
    yield found


def of_queues() -> Iterable[Metric]:
    """Read the number of messages in each queue, if the broker is Redis."""
    if not settings.CELERY_BROKER_URL.startswith("redis") or not settings.REDIS_URL:
        return
    names = [*QUEUES, *(f"probes.{region}" for region in sorted(needed_regions())[:MOST_REGIONS])]
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    ) as client:
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.llen(name)
        depths = pipeline.execute()
    found = GaugeMetricFamily(metrics.PREFIX + "queue_depth_messages", "Messages waiting in queues.", labels=["queue"])
    for name, depth in zip(names, depths, strict=True):
        found.add_metric([name], depth)
    yield found


def of_maintenance_jobs() -> Iterable[Metric]:
    """Read the delay of the roll-up, the counters of rare events, and the number of future partitions. Five queries."""
    now = timezone.now()
    due = RollupRequest.objects.exclude(not_before__gt=now)
    days = due.values("date", "service").distinct().count()  # a day may have several requests
    yield _gauge("rollup_due", "Days of services waiting to be accounted.", days)
    oldest = due.aggregate(oldest=Min("date"))["oldest"]
    closed_at = oldest and bounds(oldest, settings.PAGE_TIME_ZONE)[1]
    age_s = max(0.0, (now - closed_at).total_seconds()) if closed_at else 0.0
    yield _gauge("rollup_age_seconds", "Age of the oldest closed day waiting to be accounted, or 0.", age_s)
    rare = CounterMetricFamily(
        metrics.PREFIX + "engine_events",
        "Rare events: refusals, rebuilt runs, differing figures.",
        labels=["event"],
    )
    # Counters used in alerts exist from the start; otherwise their first increase would not be seen.
    counted = dict.fromkeys(("rows_differed", "runs_differed"), 0) | dict(
        EngineCounter.objects.values_list("name", "value")
    )
    for name, value in sorted(counted.items()):
        rare.add_metric([name], value)
    yield rare
    ahead = GaugeMetricFamily(
        metrics.PREFIX + "partitions_ahead", "Days after today that have a partition.", labels=["table"]
    )
    for table in RAW_TABLES:
        ahead.add_metric([table], sum(day > now.astimezone(UTC).date() for day in partitions.existing(table)))
    yield ahead


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(metrics.PREFIX + name, words, value=value)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(metrics.PREFIX + name, words, value=value)


metrics.register_collector("dispatch", of_dispatch)
metrics.register_collector("workers", of_workers)
metrics.register_collector("services", of_services)
metrics.register_collector("queues", of_queues)
metrics.register_collector("maintenance_jobs", of_maintenance_jobs)
