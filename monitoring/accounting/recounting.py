"""Decide which services' checks of an old day must be counted again, and decompress these.

A restatement or a maintenance window for an old day changes how time is accounted, not what was measured: counts and
percentiles of a day are computed before it is compressed, and are kept.
"""

from collections.abc import Collection
from datetime import date, datetime

from monitoring.checks.compressed.kinds import KINDS
from monitoring.checks.compressed.moving import decompress, make_room, utc_days
from monitoring.models import CompressedChecks, CompressedRequests, UptimeRecord, WatchServerLog


def make_raw(service_ids: Collection[str], day: date, start: datetime, end: datetime, *, all_of_them: bool) -> set[str]:
    """Return the services whose checks in [start, end) must be counted for `day`; their checks are then all raw.

    Must run in a transaction. One query if nothing is compressed.
    """
    days = utc_days(start, end)
    compressed = {
        service_id
        for model in (CompressedChecks, CompressedRequests)
        for service_id in model.objects.filter(day__in=days, service_id__in=service_ids).values_list(
            "service_id", flat=True
        )
    }
    if not compressed:
        return set(service_ids)
    standing = set() if all_of_them else compressed & _settled(compressed, day) - _with_raw(compressed, start, end)
    if changing := compressed - standing:
        make_room(days)
        for kind in KINDS:
            decompress(kind, days, changing)
    return set(service_ids) - standing


def _settled(service_ids: Collection[str], day: date) -> set[str]:
    records = UptimeRecord.objects.filter(date=day, service__in=service_ids, is_settled=True)
    return set(records.values_list("service_id", flat=True))


def _with_raw(service_ids: Collection[str], start: datetime, end: datetime) -> set[str]:
    """Return the services with raw checks in [start, end), because it is not compressed yet or they arrived late."""
    raw = WatchServerLog.objects.filter(service_id__in=service_ids, checked_at__gte=start, checked_at__lt=end)
    return set(raw.values_list("service_id", flat=True).distinct())
