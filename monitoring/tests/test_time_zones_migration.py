"""Rows of earlier releases get the zone of the settings, unless they prove that they are of another one."""

from datetime import timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from pytest_django import Settings

from monitoring.models import AccountingPolicy, ApiCallLog, UptimeRecord
from monitoring.tests.factories import START, make_service

pytestmark = pytest.mark.django_db

migration = import_module("monitoring.migrations.0016_time_zones_of_days")
CHANGE = START.date().replace(month=10, day=26)  # the clocks of Berlin go back: 25 hours
HOUR = 3_600


def migrate_again() -> None:
    """Go back to the columns of before, and forth."""
    with connection.schema_editor(atomic=False) as editor:
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        migration.remove(None, editor)
        migration.add(None, editor)


def store(**fields: Any) -> None:
    service, policy = make_service(), AccountingPolicy.objects.first()
    for number in (-1, 0, 1):
        day = {"service": service, "date": CHANGE + timedelta(days=number)}
        seconds = 24 * HOUR if number else fields.get("seconds", 24 * HOUR)
        metadata = fields.get("metadata", {})
        UptimeRecord.objects.create(
            **day, status="o", operational_s=seconds, policy=None if metadata else policy, metadata=metadata
        )
        ApiCallLog.objects.create(**day)


def zones(model: Any) -> list[tuple[str, str]]:
    return list(model.objects.order_by("date").values_list("time_zone", "counts_time_zone"))


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 24), ("Europe/Berlin", 25)])
def test_rows_get_the_zone_of_the_settings(settings: Settings, zone: Any, hours: Any) -> None:
    store(seconds=hours * HOUR)
    settings.PAGE_TIME_ZONE = ZoneInfo(zone)

    migrate_again()

    assert zones(UptimeRecord) == zones(ApiCallLog) == [(zone, zone)] * 3


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 25), ("Europe/Berlin", 24)])
def test_a_day_of_another_length_proves_that_it_and_all_before_it_are_of_another_zone(
    settings: Settings, zone: Any, hours: Any
) -> None:
    store(seconds=hours * HOUR)
    settings.PAGE_TIME_ZONE = ZoneInfo(zone)

    migrate_again()

    assert zones(UptimeRecord) == zones(ApiCallLog) == [("unknown",) * 2, ("unknown",) * 2, (zone, zone)]


def test_sample_days_prove_nothing(settings: Settings) -> None:
    store(seconds=24 * HOUR, metadata={"sample": True})
    settings.PAGE_TIME_ZONE = ZoneInfo("Europe/Berlin")

    migrate_again()

    assert set(zones(UptimeRecord)) == {("Europe/Berlin", "Europe/Berlin")}


def test_the_release_before_goes_on_storing_days() -> None:
    migrate_again()
    make_service()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO api_call_logs (service_id, date, total_calls, successful_calls, failed_calls,"
                       " total_downtime_minutes, histogram_buckets, histogram_counts, metadata)"
                       " VALUES ('payments', '2025-03-10', 0, 0, 0, 0, '{}', '{}', '{}')")  # fmt: skip

    assert zones(ApiCallLog) == [("UTC", "UTC")]
