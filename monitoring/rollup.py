"""Account whole days: `uptime_records` and `api_call_logs`, recomputed and upserted, so that twice is once.

Which days are due is a table (`rollup_requests`), not a time of night: a missed night, a late check or an approved
restatement leaves a row, and whoever takes it with SKIP LOCKED does the work. A crash puts it back.
"""

import math
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from database import changes, retention
from database.locks import lock_in_transaction
from database.sql import statement
from monitoring import accounting, clock, day_checks, day_requests, earlier_figures
from monitoring.accounting import Account
from monitoring.calendar_days import bounds, day_of, days_between
from monitoring.day_audit import Auditor
from monitoring.day_requests import DayOfRequests
from monitoring.folded import recounting
from monitoring.models import ApiCallLog, RollupRequest, RollupWatermark, Service, UptimeRecord
from monitoring.models.folded import FOLDED_TABLES
from monitoring.models.policies import AccountingPolicy
from monitoring.models.raw import RAW_TABLES
from monitoring.models.rollups import EMPTY_DAY
from monitoring.rollup_requests import CLOSING, request
from monitoring.sla import Kind
from monitoring.state import Status
from monitoring.terms import Terms, TermsBook

BATCH = 4_000  # services rolled up in one transaction: each pass over the day's rows serves so many
PART = 500  # services held in memory with their rows
UNSETTLED_WAIT = timedelta(minutes=10)
KEPT = timedelta(days=90)
CONNECTIONS = 2  # PostgreSQL reads a stream on one core per connection

T = TypeVar("T")


class Counted(NamedTuple):
    """The raw checks of one service and day."""

    total: int
    healthy: int
    average_ms: float | None  # of answers


NOTHING_CHECKED = Counted(0, 0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The figures of one service and day, before they are stored."""

    service: Service
    date: date
    time_zone: str  # of the date
    account: Account
    status: str
    terms: Terms


def plan(now: datetime, zone: tzinfo) -> int:
    """Ask for the days that have closed since the last time, and return how many days of services those are.

    A day closes ten minutes after midnight, so that the last results of it have arrived. A missed night is caught up.
    """
    yesterday = day_of(now - CLOSING, zone) - timedelta(days=1)
    with transaction.atomic():
        lock_in_transaction("rollup plan")
        watermark = RollupWatermark.objects.first()
        first = watermark.planned_until + timedelta(days=1) if watermark else _first_day(zone, yesterday)
        first = max(first, day_of(now - KEPT, zone))
        if watermark and watermark.planned_until > yesterday:
            first = _close_again(yesterday)
        if first > yesterday:
            return 0
        asked = sum(request_missing(day, zone) for day in days_between(first, yesterday))
        RollupWatermark.objects.update_or_create(id=1, defaults={"planned_until": yesterday})
    return asked


def _close_again(yesterday: date) -> date:
    """Take back that days were closed which are not over, by a clock that was ahead; return the first that may be."""
    UptimeRecord.objects.filter(date__gt=yesterday, is_settled=True).update(is_settled=False)
    RollupWatermark.objects.update(planned_until=yesterday)
    return yesterday + timedelta(days=1)


def request_missing(day: date, zone: tzinfo) -> int:
    """Ask for a day of every service that existed in it and has no settled row. One statement."""
    start, end = bounds(day, zone)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"day": day, "start": start, "end": end, "zone": str(zone)}
        cursor.execute(statement("monitoring", "request_missing_days"), parameters)
        return int(cursor.rowcount)


def work_off(now: datetime, zone: tzinfo) -> int:
    """Roll up one batch of requested days, oldest first, and return how many were done; 0 when none is left."""
    with transaction.atomic():
        due = RollupRequest.objects.filter(Q(not_before=None) | Q(not_before__lte=now))
        first = _lock(due.order_by("date", "service_id")[:1])
        if not first:
            return 0
        day = first[0].date
        taken, ids = _take(day, due.filter(date=day).order_by("service_id")[:BATCH])
        days = roll_up(day, ids, now, zone)
        RollupRequest.objects.filter(id__in=taken).delete()
        unsettled = [each.service.id for each in days if not each.account.is_settled]
        request(unsettled, [day], not_before=now + UNSETTLED_WAIT)
    return len(ids)


def _take(day: date, wanted: QuerySet[RollupRequest]) -> tuple[list[int], list[str]]:
    """Lock requests of a day with all others for the same services; return them, and the services to be rolled up.

    A service is left out while somebody else is at it: two at once, and the one who read first might write last.
    """
    locked = _lock(wanted)
    of_day = RollupRequest.objects.filter(date=day, service__in={each.service_id for each in locked})
    locked += _lock(of_day.exclude(id__in=[each.id for each in locked]))
    # What is left now is held by somebody else, or came this moment.
    left = of_day.exclude(id__in=[each.id for each in locked])
    busy = set(left.values_list("service", flat=True))
    ours = [each for each in locked if each.service_id not in busy]
    return [each.id for each in ours], sorted({each.service_id for each in ours})


def _lock(requests: QuerySet[RollupRequest]) -> list[RollupRequest]:
    return list(requests.select_for_update(skip_locked=True))


def work_off_all(zone: tzinfo, budget_s: float) -> int:
    """Roll up requested days on several connections until none is left or the time is over; return how many days."""
    ends_at = time.monotonic() + budget_s

    def work() -> int:
        total = 0
        try:
            while time.monotonic() < ends_at and (done := work_off(clock.now(), zone)):
                total += done
        finally:
            connection.close()
        return total

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(future.result() for future in [pool.submit(work) for _ in range(CONNECTIONS)])


@transaction.atomic
def roll_up(
    day: date,
    service_ids: Collection[str],
    now: datetime,
    zone: tzinfo,
    *,
    audits: bool = True,
    recounts: bool = False,
) -> list[Day]:
    """Account one day of services from all there is, and store it. Two passes over the day's raw rows.

    Without `audits` the runs are taken for right, as runs are that were just made of the same checks. So they are where
    raw rows of the day were dropped: what was counted from them then stays as it is, and the time is accounted again.
    So it is with folded days, unless a check arrived since, or `recounts` asks for all.
    """
    window = bounds(day, zone)
    counted = set[str]()
    if retention.is_whole((*RAW_TABLES, *FOLDED_TABLES), *window):
        counted = recounting.make_raw(service_ids, day, *window, all_of_them=recounts)
    days = _roll_up_raw(day, sorted(counted), now, zone, audits=audits)
    for part in _parts(sorted(set(service_ids) - counted)):
        days += (standing := account_day(day, part, now, zone))
        _store_uptime([_uptime_record(d, None) for d in standing], with_checks=False)
        _store_calls(list(_api_call_logs(standing, None)), with_requests=False)
    if days:
        changes.bump("page")
    return days


def _roll_up_raw(day: date, ids: Sequence[str], now: datetime, zone: tzinfo, *, audits: bool) -> list[Day]:
    """Account the day of services whose rows are all raw."""
    if not ids:
        return []
    window = bounds(day, zone)
    checks = _counted_checks(ids, day, now, zone, audits=audits)
    days: list[Day] = []
    for part in _parts(ids):
        days += (done := account_day(day, part, now, zone))
        _store_uptime([_uptime_record(d, checks.get(d.service.id)) for d in done], with_checks=True)
    for logs in _parts(_api_call_logs(days, window)):
        _store_calls(logs, with_requests=True)
    return days


def refresh_today(now: datetime, zone: tzinfo, budget_s: float = math.inf) -> int:
    """Bring the row of today up to date for every monitored service, from runs alone, and yesterday's until it closes.

    Returns the number of services. The oldest rows come first, so that where the budget is too short for all, each has
    its turn; where there are two days, each has half of it.
    """
    today, yesterday = day_of(now, zone), day_of(now - CLOSING, zone)
    monitored = Service.objects.monitored().order_by("id")
    if yesterday != today:
        budget_s /= 2
        _refresh_oldest(yesterday, monitored.filter(created_at__lt=bounds(today, zone)[0]), now, zone, budget_s)
    return _refresh_oldest(today, monitored, now, zone, budget_s)


def _refresh_oldest(day: date, services: QuerySet[Service], now: datetime, zone: tzinfo, budget_s: float) -> int:
    ends_at, refreshed = time.monotonic() + budget_s, 0
    made_at = dict(UptimeRecord.objects.filter(date=day).values_list("service_id", "updated_at"))
    ids = services.values_list("id", flat=True)
    for part in _parts(sorted(ids, key=lambda id: made_at[id].timestamp() if id in made_at else 0.0)):
        with transaction.atomic():
            # From its plan on a day is the roll-up's, and nobody writes over what that has settled.
            lock_in_transaction("rollup plan")
            if RollupWatermark.objects.filter(planned_until__gte=day).exists():
                break
            refresh_day(day, part, now, zone)
        refreshed += len(part)
        if time.monotonic() > ends_at:
            break
    return refreshed


def refresh_day(day: date, service_ids: Collection[str], now: datetime, zone: tzinfo) -> None:
    """Bring the row of a day that has not closed up to date for services, from runs alone."""
    rows = [_uptime_record(each, None) for each in account_day(day, service_ids, now, zone)]
    for row in rows:
        row.is_settled = False  # its checks are not counted, and its requests neither
    _store_uptime(rows, with_checks=False)


def account_day(day: date, service_ids: Collection[str], now: datetime, zone: tzinfo) -> list[Day]:
    """Account one day of services and store nothing. Six queries."""
    window = bounds(day, zone)
    services = list(Service.objects.filter(id__in=service_ids).order_by("id"))
    terms = _terms(services, day, now, zone)
    found = accounting.evidence(services, *window, [each.rules for each in terms.values()])
    days = []
    for service in services:
        held = terms[service.id]
        account = accounting.account(service.id, found[service.id], held.rules, window, now)
        status = status_of(account, held.version)
        days.append(Day(service=service, date=day, time_zone=str(zone), account=account, status=status, terms=held))
    return days


def _terms(services: Collection[Service], day: date, now: datetime, zone: tzinfo) -> dict[str, Terms]:
    """Return the terms of a day by service. Two queries."""
    book = TermsBook(services, day, day, now, zone)
    return {service.id: book.on(service, day) for service in services}


def status_of(account: Account, policy: AccountingPolicy) -> str:
    """Colour a day: `e` before the service existed, `nd` nothing measured, else by its downtime."""
    if account.seconds[Kind.EMPTY] == sum(account.seconds.values()):
        return EMPTY_DAY
    if account.figures.uptime is None:
        return Status.UNKNOWN
    if account.seconds[Kind.DOWN] == 0:
        return Status.OPERATIONAL
    return Status.DOWN if account.figures.uptime < policy.major_below * 100 else Status.PARTIAL


def _first_day(zone: tzinfo, yesterday: date) -> date:
    """Return the day of the first service, or the day to come where there is none."""
    created_at = Service.objects.order_by("created_at").values_list("created_at", flat=True).first()
    return day_of(created_at, zone) if created_at else yesterday + timedelta(days=1)


def _counted_checks(ids: Sequence[str], day: date, now: datetime, zone: tzinfo, *, audits: bool) -> dict[str, Counted]:
    """Count the day's raw checks by service and, in the same pass, hold the recorded runs to them."""
    window = bounds(day, zone)
    auditor = Auditor(ids, window, now, zone) if audits else None
    counted: dict[str, Counted] = {}
    for checks in day_checks.read(*window, ids[0], ids[-1]):
        counted[checks.service_id] = Counted(checks.total, checks.healthy, checks.average_ms)
        if auditor:
            auditor.take(checks)
    if auditor:
        auditor.mend()
    return counted


def _api_call_logs(days: Sequence[Day], window: tuple[datetime, datetime] | None) -> Iterator[ApiCallLog]:
    """Make the rows of requests, from those in the window where there is one; not every service has any."""
    waiting = {day.service.id: day for day in days}
    if days and window:
        for requests in day_requests.read(*window, days[0].service.id, days[-1].service.id):
            if day := waiting.pop(requests.service_id, None):
                yield _api_call_log(day, requests)
    for id, day in waiting.items():
        yield _api_call_log(day, DayOfRequests(service_id=id))


def _uptime_record(day: Day, checks: Counted | None) -> UptimeRecord:
    total, healthy, average_ms = checks or NOTHING_CHECKED
    seconds = day.account.seconds
    return UptimeRecord(
        service_id=day.service.id,
        date=day.date,
        time_zone=day.time_zone,
        counts_time_zone=day.time_zone,
        status=day.status,
        uptime_percentage=_decimal(day.account.figures.uptime),
        coverage_percentage=_decimal(day.account.figures.coverage),
        total_checks=total,
        successful_checks=healthy,
        failed_checks=total - healthy,
        avg_response_time=average_ms,
        policy=day.terms.version,
        failure_threshold=day.terms.rules.failure_threshold,
        recovery_threshold=day.terms.rules.recovery_threshold,
        is_settled=day.account.is_settled,
        updated_at=timezone.now(),
        **{f"{kind}_s": seconds[kind] for kind in Kind},
    )


def _api_call_log(day: Day, requests: DayOfRequests) -> ApiCallLog:
    buckets, counts = requests.histogram()
    return ApiCallLog(
        service_id=day.service.id,
        date=day.date,
        time_zone=day.time_zone,
        counts_time_zone=day.time_zone,
        total_calls=requests.total,
        successful_calls=requests.good,
        failed_calls=requests.total - requests.good,
        avg_response_time=requests.average_ms,
        min_response_time=requests.percentile_ms(0),
        max_response_time=requests.percentile_ms(100),
        p50_response_time=requests.percentile_ms(50),
        p95_response_time=requests.percentile_ms(95),
        p99_response_time=requests.percentile_ms(99),
        total_downtime_minutes=-(-day.account.seconds[Kind.DOWN] // 60),
        uptime_percentage=_decimal(day.account.figures.uptime),
        histogram_buckets=buckets,
        histogram_counts=counts,
    )


UPTIME_FIGURES = [
    *("time_zone", "status", "uptime_percentage", "coverage_percentage", "is_settled", "metadata", "updated_at"),
    *("policy", "failure_threshold", "recovery_threshold"),
    *(f"{kind}_s" for kind in Kind),
]
CHECK_FIGURES = ["counts_time_zone", "total_checks", "successful_checks", "failed_checks", "avg_response_time"]
# Of the calls: what follows from time alone.
TIME_FIGURES = ["time_zone", "total_downtime_minutes", "uptime_percentage"]


def _store_uptime(rows: Sequence[UptimeRecord], *, with_checks: bool) -> None:
    earlier_figures.keep(rows)
    UptimeRecord.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["service_id", "date"],
        update_fields=UPTIME_FIGURES + CHECK_FIGURES if with_checks else UPTIME_FIGURES,
    )


def _store_calls(rows: Sequence[ApiCallLog], *, with_requests: bool) -> None:
    figures = [field.name for field in ApiCallLog._meta.concrete_fields if field.name not in ("service", "date")]
    ApiCallLog.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["service_id", "date"],
        update_fields=figures if with_requests else TIME_FIGURES,
    )


def _decimal(hundredths: int | None) -> Decimal | None:
    return None if hundredths is None else Decimal(hundredths) / 100


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    rows = iter(rows)
    while part := list(islice(rows, PART)):
        yield part
