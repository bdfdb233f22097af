"""The data of the dashboard: a fixed number of queries, each of bounded cost.

Services with problems and the condition of the engine are read for each view: from the narrow state table, and from the
raw checks of one minute by their index on time. Lists and charts come from hourly counts, never from raw rows
(`monitoring/accounting/hourly.py`), and each process caches them for `TRENDS_CACHED_S`: with ten thousand services, a
week of counts is 1.7 million narrow rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Case, F, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from database.sql import statement
from monitoring.accounting import evidence
from monitoring.engine.pace import Pace, pace
from monitoring.engine.workers import LATE_STAMP_AFTER, seen_since
from monitoring.models import DispatchWatermark, Hour, Service, ServiceHour, ServiceState
from monitoring.probes.model import Verdict
from monitoring.rules.calendar_days import day_of
from monitoring.rules.histogram import merge, percentile
from monitoring.rules.sla import Kind, figures_of_parts
from monitoring.rules.state import Status
from monitoring.states.live import is_ahead, is_silent, status_at, with_live_status
from monitoring.states.terms import TermsBook

TRENDS_CACHED_S = 30
MOST_LISTED = 5
CANDIDATES = 10  # services with the most failed checks, of which the least available are listed
MOST_PROBLEMS_READ = 1_000
HOUR = timedelta(hours=1)
SEVERITY = {Status.DOWN: 0, Status.PARTIAL: 1, Status.UNKNOWN: 2}
PROBLEM_COLUMNS = ("id", "name", "display_name", "is_critical")


class _State(NamedTuple):
    """The columns of a `ServiceState` that matter here: a thousand models take ten times as long to make."""

    status: str | None
    verdict: str | None
    run_first_at: datetime | None
    run_last_at: datetime | None
    last_bad_at: datetime | None
    stale_at: datetime | None
    last_error: str | None


class Period(StrEnum):
    """How far lists and charts look back."""

    DAY = "24h"
    WEEK = "7d"
    QUARTER = "90d"  # only of one service: hours are not kept for so long

    @property
    def hours(self) -> int:
        return {Period.DAY: 24, Period.WEEK: 7 * 24, Period.QUARTER: 90 * 24}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProblem:
    """A service that is not operational."""

    id: str
    name: str
    status: Status
    is_measured: bool  # now or earlier
    since: datetime | None  # None: never measured, or unknown
    error: str
    is_critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The condition of the engine."""

    checks_per_s: float  # over the last minute
    lateness_p50_ms: float | None  # None: no check in the last minute
    lateness_p99_ms: float | None
    probe_workers: int  # seen lately, as are the others
    engine_workers: int
    last_dispatch_s: float | None  # ago; None: nothing was ever dispatched, or the time is unknown
    is_dispatch_late: bool
    dispatch_workers: int
    skipped_slots: int  # in total: missed after a pause, shown as gaps
    pace: Pace
    expired_probes: int  # since the start of the workers: too late to be made


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    id: str
    name: str
    average_ms: float  # of answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """A service with failed checks, and its accounted uptime."""

    id: str
    name: str
    uptime: int | None  # hundredths of a percent, floored; None: nothing measured
    down_s: int
    failed: int  # checks
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfAll:
    """One hour of all services; all counts are 0 if no check was stored."""

    at: datetime
    ok: int = 0
    slow: int = 0
    bad: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None

    @property
    def times(self) -> tuple[float | None, ...]:
        return (self.p50_ms, self.p95_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """The lists and the charts of a period."""

    slowest: Sequence[Slow]
    least_available: Sequence[Unavailable]
    hours: Sequence[HourOfAll]  # every hour of the period, the current one last


def service_problems(now: datetime) -> tuple[list[ServiceProblem], int]:
    """Return the services that are not operational, the worst and then the newest first, and their number.

    The list has at most `MOST_PROBLEMS_READ` services. One query, or two if there are more.
    """
    found = _not_operational(now)
    severity = Case(When(live_status=Status.DOWN, then=0), When(live_status=Status.PARTIAL, then=1), default=2)
    began = F("state__run_first_at").desc(nulls_last=True)
    columns = (*PROBLEM_COLUMNS, *(f"state__{name}" for name in _State._fields))
    rows = found.order_by(severity, began, "name").values_list(*columns)
    read = [_problem(row, now) for row in rows[:MOST_PROBLEMS_READ]]
    # The open run may have begun later than the status: sort by the time that is shown.
    read.sort(key=lambda each: (SEVERITY[each.status], -each.since.timestamp() if each.since else 0.0))
    return read, len(read) if len(read) < MOST_PROBLEMS_READ else found.count()


def engine(now: datetime) -> Engine:
    """Read the condition of the engine. Four queries; the costliest reads the checks of one minute by their time."""
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "last_minute"), {"since": now - timedelta(minutes=1), "until": now})
        checks, lateness = cursor.fetchone() or (0, None)
    watermark = DispatchWatermark.objects.first()
    workers = list(seen_since(now - LATE_STAMP_AFTER, now))
    return Engine(
        checks_per_s=checks / 60,
        lateness_p50_ms=lateness and lateness[0],
        lateness_p99_ms=lateness and lateness[1],
        probe_workers=sum(worker.role == "probe" for worker in workers),
        engine_workers=sum(worker.role == "engine" for worker in workers),
        dispatch_workers=sum(worker.role == "dispatch" for worker in workers),
        last_dispatch_s=_dispatched_ago_s(watermark, now) if watermark else None,
        is_dispatch_late=watermark is None or watermark.is_late(now) or watermark.is_ahead(now),
        skipped_slots=watermark.skipped_slots if watermark else 0,
        pace=pace(now),
        expired_probes=sum(worker.counters.get("expired", 0) for worker in workers),
    )


def _dispatched_ago_s(watermark: DispatchWatermark, now: datetime) -> float | None:
    return None if watermark.is_ahead(now) else watermark.age(now).total_seconds()


def trends(period: Period, now: datetime) -> Trends:
    """Return lists and charts, at most `TRENDS_CACHED_S` old. Nine queries, or none."""
    kept: Trends | None = cache.get(f"trends-{period}")
    if kept is None:
        kept = _trends(period, now)
        cache.set(f"trends-{period}", kept, TRENDS_CACHED_S)
    return kept


def _trends(period: Period, now: datetime) -> Trends:
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - (period.hours - 1) * HOUR
    sums = ServiceHour.objects.filter(hour_at__gte=first, service_id__in=Service.objects.monitored().values("id"))
    slowest, failing = _slowest(sums), _failing(sums)
    services = Service.objects.in_bulk([each[0] for each in (*slowest, *failing)])
    return Trends(
        slowest=[Slow(id=id, name=str(services[id]), average_ms=average_ms) for id, average_ms in slowest],
        least_available=_least_available(services, failing, (first, now)),
        hours=_hours(first, period.hours),
    )


def _least_available(
    services: Mapping[str, Service], failing: Sequence[tuple[str, int, int]], window: tuple[datetime, datetime]
) -> list[Unavailable]:
    """Account the services that failed most, and return the least available first. Five queries."""
    found = accounted([services[id] for id, _failed, _total in failing], *window)
    listed = [
        Unavailable(id=id, name=str(services[id]), uptime=found[id][1], down_s=found[id][0], failed=failed, total=total)
        for id, failed, total in failing
    ]
    return sorted(listed, key=lambda each: (10_000 if each.uptime is None else each.uptime, -each.down_s))[:MOST_LISTED]


def accounted(services: Collection[Service], start: datetime, end: datetime) -> dict[str, tuple[int, int | None]]:
    """Return the seconds down and the uptime of services in a window that ends now, by id. Five queries."""
    zone = settings.PAGE_TIME_ZONE
    book = TermsBook(services, day_of(start, zone), day_of(end, zone), end, zone)
    stretches = {service.id: list(book.stretches(service, start, end)) for service in services}
    found = evidence.fetch(services, start, end, [each.terms.rules for some in stretches.values() for each in some])
    accounts = {}
    for id, some in stretches.items():
        parts = [
            (evidence.account(id, found[id], each.terms.rules, (each.start, each.end), end).seconds, each.terms.rules)
            for each in some
        ]
        accounts[id] = sum(seconds[Kind.DOWN] for seconds, _rules in parts), figures_of_parts(parts).uptime
    return accounts


def _not_operational(now: datetime) -> QuerySet[Service]:
    return with_live_status(Service.objects.monitored(), now).exclude(live_status=Status.OPERATIONAL)


def _problem(row: Sequence[Any], now: datetime) -> ServiceProblem:
    id, name, display_name, is_critical = row[: len(PROBLEM_COLUMNS)]
    state: Any = _State._make(row[len(PROBLEM_COLUMNS) :])
    is_measured = state.run_last_at is not None
    status, since = status_at(state, now), None
    if is_measured and not is_ahead(state, now):
        since = status_since(state, status, now)
    return ServiceProblem(
        id=id,
        name=display_name or name,
        status=status,
        is_measured=is_measured,
        since=since,
        error=state.last_error or "" if is_measured else "",
        is_critical=is_critical,
    )


def status_since(state: ServiceState, status: Status, now: datetime) -> datetime | None:
    """Return since when a service that was checked has its status; None if unknown.

    The open run of a service that is down began with the first failed check, unless it is recovering.
    """
    if is_silent(state, now):
        return state.run_last_at
    is_told_by_run = (status is Status.DOWN) == (state.verdict == Verdict.BAD)
    return state.run_first_at if is_told_by_run else state.last_bad_at


def _slowest(sums: QuerySet[ServiceHour]) -> list[tuple[str, float]]:
    answers = Coalesce("answered_count", F("ok_count") + F("slow_count"))
    answered = sums.values("service_id").annotate(answered=Sum(answers))
    average = answered.filter(answered__gt=0).annotate(average=Sum("response_ms_sum") / F("answered"))
    return list(average.order_by("-average").values_list("service_id", "average")[:MOST_LISTED])


def _failing(sums: QuerySet[ServiceHour]) -> list[tuple[str, int, int]]:
    """Return the candidates for the least available; a service without a failed check has no downtime."""
    total = Sum(F("ok_count") + F("slow_count") + F("bad_count"))
    counted = sums.values("service_id").annotate(failed=Sum("bad_count"), total=total).filter(failed__gt=0)
    return list(counted.order_by("-failed").values_list("service_id", "failed", "total")[:CANDIDATES])


def _hours(first: datetime, count: int) -> list[HourOfAll]:
    stored = {row.hour_at: row for row in Hour.objects.filter(hour_at__gte=first)}
    return [_hour(at, stored.get(at)) for at in (first + number * HOUR for number in range(count))]


def _hour(at: datetime, row: Hour | None) -> HourOfAll:
    if row is None:
        return HourOfAll(at=at)
    times = merge([(row.histogram_buckets or (), row.histogram_counts or ())])
    return HourOfAll(
        at=at,
        ok=row.ok_count,
        slow=row.slow_count,
        bad=row.bad_count,
        p50_ms=percentile(times, 0.5),
        p95_ms=percentile(times, 0.95),
    )
