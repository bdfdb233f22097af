"""Update the rows of days that are not closed, from runs alone."""

import math
import time
from collections.abc import Collection
from datetime import date, datetime, tzinfo

from django.db import transaction
from django.db.models import QuerySet

from database.batches import batches
from database.locks import lock_in_transaction
from monitoring.accounting.day import PART, account_day
from monitoring.accounting.day_rows import store_uptime, uptime_record
from monitoring.accounting.rollup_requests import DAY_CLOSES_AFTER
from monitoring.models import RollupWatermark, Service, UptimeRecord
from monitoring.rules.calendar_days import bounds, day_of


def refresh_today(now: datetime, zone: tzinfo, *, budget_s: float = math.inf, batch_size: int = PART) -> int:
    """Update today's row of every monitored service, and yesterday's until it closes, from runs alone.

    Returns the number of services. The oldest rows come first, so that each is updated in time even if the budget is
    too short for all. If there are two days to update, each gets half of the budget.
    """
    today, yesterday = day_of(now, zone), day_of(now - DAY_CLOSES_AFTER, zone)
    monitored = Service.objects.monitored().order_by("id")
    if yesterday != today:
        budget_s /= 2
        _refresh_oldest(
            yesterday, monitored.filter(created_at__lt=bounds(today, zone)[0]), now, zone, budget_s, batch_size
        )
    return _refresh_oldest(today, monitored, now, zone, budget_s, batch_size)


def _refresh_oldest(
    day: date, services: QuerySet[Service], now: datetime, zone: tzinfo, budget_s: float, batch_size: int
) -> int:
    ends_at, refreshed = time.monotonic() + budget_s, 0
    made_at = dict(UptimeRecord.objects.filter(date=day).values_list("service_id", "updated_at"))
    ids = services.values_list("id", flat=True)
    oldest_first = sorted(ids, key=lambda id: made_at[id].timestamp() if id in made_at else 0.0)
    for part in batches(oldest_first, batch_size):
        with transaction.atomic():
            # Once a day is requested, only the roll-up writes its rows, so settled ones are not overwritten.
            lock_in_transaction("rollup plan")
            if RollupWatermark.objects.filter(planned_until__gte=day).exists():
                break
            refresh_day(day, part, now, zone)
        refreshed += len(part)
        if time.monotonic() > ends_at:
            break
    return refreshed


def refresh_day(day: date, service_ids: Collection[str], now: datetime, zone: tzinfo) -> None:
    """Update the rows of services for a day that is not closed, from runs alone."""
    rows = [uptime_record(each, None) for each in account_day(day, service_ids, now, zone)]
    for row in rows:
        row.is_settled = False  # its checks and requests are not counted
    store_uptime(rows, with_checks=False)
