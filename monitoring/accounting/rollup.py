"""Account whole days: `uptime_records` and `api_call_logs`, recomputed and upserted, so running twice is harmless.

A table (`rollup_requests`), not the time of night, says which days are due: a missed night, a late check or an approved
restatement inserts a row. The process that locks it, with SKIP LOCKED, does the work; after a crash, the row remains.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, tzinfo

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from database import changes, retention
from database.batches import batches
from monitoring.accounting import recounting
from monitoring.accounting.day import PART, Day, account_day
from monitoring.accounting.day_audit import Auditor
from monitoring.accounting.day_rows import Counted, api_call_log, store_calls, store_uptime, uptime_record
from monitoring.accounting.rollup_requests import request
from monitoring.checks import day_checks, day_requests
from monitoring.checks.day_requests import DayOfRequests
from monitoring.config import clock
from monitoring.models import ApiCallLog, RollupRequest
from monitoring.models.compressed import COMPRESSED_TABLES
from monitoring.models.raw import RAW_TABLES
from monitoring.rules.calendar_days import bounds

BATCH = 4_000  # services rolled up in one transaction, with one pass over the day's rows


UNSETTLED_WAIT = timedelta(minutes=10)
CONNECTIONS = 2  # PostgreSQL reads a stream on one core per connection


def work_off(now: datetime, zone: tzinfo) -> int:
    """Roll up one batch of requested days, oldest first, and return how many were done; 0 if none is left."""
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
    """Lock the requests of a day with all others for the same services; return them, and the services to roll up.

    A service that another process is rolling up is left out: the one that read first might otherwise write last.
    """
    locked = _lock(wanted)
    of_day = RollupRequest.objects.filter(date=day, service__in={each.service_id for each in locked})
    locked += _lock(of_day.exclude(id__in=[each.id for each in locked]))
    # The remaining requests are locked by another process, or were inserted just now.
    left = of_day.exclude(id__in=[each.id for each in locked])
    busy = set(left.values_list("service", flat=True))
    ours = [each for each in locked if each.service_id not in busy]
    return [each.id for each in ours], sorted({each.service_id for each in ours})


def _lock(requests: QuerySet[RollupRequest]) -> list[RollupRequest]:
    return list(requests.select_for_update(skip_locked=True))


def work_off_all(zone: tzinfo, budget_s: float) -> int:
    """Roll up requested days on several connections until none is left or the time is up; return how many days."""
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
    """Account one day of services from all its data, and store it. Two passes over the day's raw rows.

    Without `audits`, the runs are assumed to be right, for example because they were just built from the same checks.
    If raw rows of the day were dropped, the runs are assumed to be right, too: the time is accounted again, but counts
    and response times stay. The same holds for compressed days, unless a check arrived since or with `recounts`.
    """
    window = bounds(day, zone)
    counted = set[str]()
    if retention.is_whole((*RAW_TABLES, *COMPRESSED_TABLES), *window):
        counted = recounting.make_raw(service_ids, day, *window, all_of_them=recounts)
    days = _roll_up_raw(day, sorted(counted), now, zone, audits=audits)
    for part in batches(sorted(set(service_ids) - counted), PART):
        days += (standing := account_day(day, part, now, zone))
        store_uptime([uptime_record(d, None) for d in standing], with_checks=False)
        store_calls(list(_api_call_logs(standing, None)), with_requests=False)
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
    for part in batches(ids, PART):
        days += (done := account_day(day, part, now, zone))
        store_uptime([uptime_record(d, checks.get(d.service.id)) for d in done], with_checks=True)
    for logs in batches(_api_call_logs(days, window), PART):
        store_calls(logs, with_requests=True)
    return days


def _counted_checks(ids: Sequence[str], day: date, now: datetime, zone: tzinfo, *, audits: bool) -> dict[str, Counted]:
    """Count the day's raw checks by service and, in the same pass, compare the recorded runs with them."""
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
    """Yield the rows for the requests of services that have some, counted in the window if one is given."""
    waiting = {day.service.id: day for day in days}
    if days and window:
        for requests in day_requests.read(*window, days[0].service.id, days[-1].service.id):
            if day := waiting.pop(requests.service_id, None):
                yield api_call_log(day, requests)
    for id, day in waiting.items():
        yield api_call_log(day, DayOfRequests(service_id=id))
