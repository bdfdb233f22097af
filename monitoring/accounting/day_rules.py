"""Keep the rules that today began with, when a service is given others.

The row of today holds them (`monitoring/states/terms.py`), and is made within a minute of midnight. Where there is none
yet, as when the engine was off, it is made before the rules change: else hours that are over would be accounted by
others.
"""

from collections.abc import Collection
from datetime import datetime, tzinfo

from monitoring.accounting.today import refresh_day
from monitoring.models import Service, UptimeRecord
from monitoring.rules.calendar_days import day_of

COLUMNS = frozenset({"failure_threshold", "recovery_threshold", "kind", "policy_name"})  # of a service: its rules


def keep_todays(service_ids: Collection[str], now: datetime, zone: tzinfo) -> None:
    """Make the row of today of those services that have none. Must come before the change, in its transaction."""
    today = day_of(now, zone)
    there = UptimeRecord.objects.filter(service__in=service_ids, date=today, policy__isnull=False)
    missing = set(service_ids) - set(there.values_list("service_id", flat=True))
    known = Service.objects.filter(id__in=missing).values_list("id", flat=True)
    if ids := sorted(known):
        refresh_day(today, ids, now, zone)
