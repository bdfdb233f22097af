"""Audit each night: compare stored figures with the ledger, and the runs of some services with their raw checks."""

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from hashlib import blake2b

from django.conf import settings

from database.batches import batches
from monitoring.accounting import ledger, rollup_requests, run_audit
from monitoring.models import RollupRequest, Service, UptimeRecord
from monitoring.rules.calendar_days import day_of
from monitoring.rules.sla import Kind
from monitoring.states import counters

logger = logging.getLogger(__name__)

BATCH = 100  # services whose rows are compared at a time
DAYS = 90  # as many as the page shows
ROWS_FOR_S = 20.0  # of a thread that the engine also needs for closed days
RUNS_FOR_S = 20.0


class FiguresDiffer(Exception):
    """Stored figures differed from the evidence; they are accounted again."""


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A settled daily row that differs from the ledger."""

    service_id: str
    date: date
    stored: dict[Kind, int]
    accounted: dict[Kind, int]


def run(now: datetime) -> None:
    """Audit services until the time is up, in another order each night. Raises FiguresDiffer if any figure differed."""
    zone = settings.PAGE_TIME_ZONE
    ids = _shuffled(now, zone)
    differences, rows_of = audit_rows(ids, now, zone, ROWS_FOR_S)
    rebuilt, runs_of = audit_runs(ids, now, zone, RUNS_FOR_S)
    logger.info("figures audited", extra={"rows_of_services": rows_of, "runs_of_services": runs_of})
    if differences or rebuilt:
        days = ", ".join(f"{each.service_id} {each.date}" for each in differences[:5])
        raise FiguresDiffer(
            f"{len(differences)} stored days differed from the ledger ({days}), and the runs of {len(rebuilt)} services"
            f" from their raw checks ({', '.join(rebuilt[:5])}); all are accounted again"
        )


def row_differences(
    service_ids: Sequence[str], first: date, last: date, now: datetime, zone: tzinfo
) -> Iterator[RowDifference]:
    """Yield the settled rows of days that differ from the ledger and are not requested to be accounted again.

    A fixed number of queries if none differs.
    """
    services = list(Service.objects.filter(id__in=service_ids))
    rows = UptimeRecord.objects.filter(
        service__in=services, date__range=(first, last), is_settled=True, policy__isnull=False, time_zone=str(zone)
    )
    stored = {(row.service_id, row.date): _seconds(row) for row in rows}
    for id, days in ledger.days_of(services, first, last, now, zone).items():
        for day in days:
            found = stored.get((id, day.date))
            if found is not None and found != day.seconds and not _is_changing(id, day.date, day.seconds):
                yield RowDifference(id, day.date, found, day.seconds)


def _is_changing(service_id: str, day: date, seconds: dict[Kind, int]) -> bool:
    """Return whether the evidence changed while it was read: then the day is requested, or was rolled up since."""
    if RollupRequest.objects.filter(service=service_id, date=day).exists():
        return True
    row = UptimeRecord.objects.filter(service=service_id, date=day).first()
    return row is not None and _seconds(row) == seconds


def _seconds(row: UptimeRecord) -> dict[Kind, int]:
    return {kind: getattr(row, f"{kind}_s") for kind in Kind}


def audit_rows(
    ids: Iterable[str], now: datetime, zone: tzinfo, budget_s: float = math.inf
) -> tuple[list[RowDifference], int]:
    """Compare the rows of the last 90 days and request those that differ; return them and the number of services."""
    yesterday = day_of(now, zone) - timedelta(days=1)
    ends_at, done, differences = time.monotonic() + budget_s, 0, list[RowDifference]()
    for part in batches(ids, BATCH):
        if time.monotonic() > ends_at:
            break
        differences += row_differences(part, yesterday - timedelta(days=DAYS), yesterday, now, zone)
        done += len(part)
    for each in differences:
        what = {"service_id": each.service_id, "day": str(each.date), "stored": each.stored, "ledger": each.accounted}
        logger.error("a stored day differs from the ledger", extra=what)
        rollup_requests.request([each.service_id], [each.date])
    if differences:
        counters.add("rows_differed", len(differences))
    return differences, done


def audit_runs(ids: Iterable[str], now: datetime, zone: tzinfo, budget_s: float = math.inf) -> tuple[list[str], int]:
    """Compare the runs of services with all raw checks; return the ids of rebuilt ones, and the number of services."""
    ends_at, done, rebuilt = time.monotonic() + budget_s, 0, list[str]()
    for id in ids:
        if time.monotonic() > ends_at:
            break
        if run_audit.audit(id, now, zone):
            rebuilt.append(id)
        done += 1
    return rebuilt, done


def _shuffled(now: datetime, zone: tzinfo) -> list[str]:
    """Return the ids of all services in an order that differs each night, so that each is audited in time."""
    night = str(day_of(now, zone))
    ids = Service.objects.values_list("id", flat=True)
    return sorted(ids, key=lambda id: blake2b(f"{night} {id}".encode()).digest())
