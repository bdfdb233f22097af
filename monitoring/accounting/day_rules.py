"""Keep the rules with which today began when the rules of a service change.

Today's row has them (`monitoring/states/terms.py`) and is created within a minute after midnight. If it is missing, for
example because the engine was off, it is created before the rules change. Otherwise past hours of today would be
accounted under the new rules.
"""

from collections.abc import Collection
from datetime import datetime, tzinfo

from monitoring.accounting.today import refresh_day
from monitoring.models import Service, UptimeRecord
from monitoring.rules.calendar_days import day_of

COLUMNS = frozenset({"failure_threshold", "recovery_threshold", "kind", "policy_name"})  # of a service: its rules


def keep_todays(service_ids: Collection[str], now: datetime, zone: tzinfo) -> None:
    """Create today's row of services that have none. Call it before the change, in the same transaction."""
    today = day_of(now, zone)
    there = UptimeRecord.objects.filter(service__in=service_ids, date=today, policy__isnull=False)
    missing = set(service_ids) - set(there.values_list("service_id", flat=True))
    known = Service.objects.filter(id__in=missing).values_list("id", flat=True)
    if ids := sorted(known):
        refresh_day(today, ids, now, zone)
