"""Accounting agrees with every date of a plan, over both changes of the clock: windows in UTC, and the ledger."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from incidents.maintenance import acts, running
from incidents.maintenance.tests.factories import NOW, make_plan
from incidents.models import MaintenanceOccurrence
from monitoring.accounting import amendments, ledger
from monitoring.models import AccountingPolicy, Service, Span
from monitoring.rules.calendar_days import bounds
from monitoring.rules.sla import Kind
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SINCE = datetime(2025, 3, 11, 2, tzinfo=UTC)  # of the plan of the factory
# zone, day, wall time, minutes, window in UTC, seconds of maintenance on that day of the zone
VECTORS = [
    ("Europe/Berlin", date(2025, 3, 29), time(2), 60, ("2025-03-29 01:00", "2025-03-29 02:00"), 3600),
    ("Europe/Berlin", date(2025, 3, 30), time(2), 60, ("2025-03-30 01:00", "2025-03-30 02:00"), 3600),  # 03:00 there
    ("Europe/Berlin", date(2025, 3, 31), time(2), 60, ("2025-03-31 00:00", "2025-03-31 01:00"), 3600),
    ("Europe/Berlin", date(2025, 10, 26), time(2), 60, ("2025-10-26 00:00", "2025-10-26 01:00"), 3600),
    ("Europe/Berlin", date(2025, 10, 26), time(1), 180, ("2025-10-25 23:00", "2025-10-26 02:00"), 10_800),
    ("Europe/Berlin", date(2025, 10, 27), time(2), 60, ("2025-10-27 01:00", "2025-10-27 02:00"), 3600),
    ("Europe/Berlin", date(2025, 3, 30), time(0), 24 * 60, ("2025-03-29 23:00", "2025-03-30 23:00"), 23 * 3600),
    ("America/New_York", date(2026, 3, 8), time(2), 60, ("2026-03-08 07:00", "2026-03-08 08:00"), 3600),
    ("America/New_York", date(2025, 11, 2), time(2), 60, ("2025-11-02 07:00", "2025-11-02 08:00"), 3600),
    ("America/New_York", date(2025, 11, 2), time(1), 60, ("2025-11-02 05:00", "2025-11-02 06:00"), 3600),
    ("Australia/Lord_Howe", date(2025, 4, 6), time(2), 30, ("2025-04-05 15:30", "2025-04-05 16:00"), 1800),
    ("Australia/Lord_Howe", date(2025, 4, 6), time(1, 30), 30, ("2025-04-05 14:30", "2025-04-05 15:00"), 1800),
    ("Australia/Lord_Howe", date(2025, 10, 5), time(2), 60, ("2025-10-04 15:30", "2025-10-04 16:30"), 3600),
    ("Australia/Lord_Howe", date(2025, 10, 6), time(2), 60, ("2025-10-05 15:00", "2025-10-05 16:00"), 3600),
    ("Asia/Seoul", date(2025, 3, 30), time(2), 60, ("2025-03-29 17:00", "2025-03-29 18:00"), 3600),
    ("Asia/Seoul", date(2025, 10, 26), time(23, 30), 60, ("2025-10-26 14:30", "2025-10-26 15:30"), 1800),
]


def service_of(created_at: datetime = NOW - timedelta(days=30), **fields: Any) -> Service:
    service = make_service(**fields)
    Service.objects.filter(pk=service.pk).update(created_at=created_at)
    service.refresh_from_db()
    return service


def policy(**rules: Any) -> None:
    values = {"name": "standard", "version": 2, "effective_on": date(2020, 1, 1), "late_maintenance": "count", **rules}
    AccountingPolicy.objects.create(**values)


def seconds(service: Service, start: datetime, end: datetime, now: datetime, zone: Any = UTC) -> tuple[int, int]:
    """Return the seconds of maintenance in a window, as published and as measured."""
    found = ledger.read(service, start, end, now, zone)
    measured = found.measured or found.official
    return found.official.seconds[Kind.MAINTENANCE], measured.seconds[Kind.MAINTENANCE]


@pytest.mark.parametrize(("zone", "day", "wall", "minutes", "window", "expected"), VECTORS)
@pytest.mark.parametrize("rule", ["", "FREQ=DAILY"])
def test_a_date_is_at_its_wall_time_and_the_ledger_agrees(
    zone: str, day: date, wall: time, minutes: int, window: tuple[str, str], expected: int, rule: str
) -> None:
    starts_on = day - timedelta(days=3) if rule else day
    planned_at = datetime.combine(starts_on - timedelta(days=2), time(12), UTC)
    service = service_of(planned_at)
    minutes = min(minutes, 23 * 60) if rule else minutes  # that of the next day begins after 23 hours

    make_plan(
        service, now=planned_at, starts_on=starts_on, wall_time=wall, zone=zone, duration_minutes=minutes, rrule=rule
    )

    since, until = (datetime.fromisoformat(f"{each}+00:00") for each in window)
    assert MaintenanceOccurrence.objects.get(since=since).until == min(until, since + timedelta(minutes=minutes))
    start, end = bounds(day, ZoneInfo(zone))
    begun_before = MaintenanceOccurrence.objects.filter(since__lt=start, until__gt=start)
    earlier = sum(int((each.until - start).total_seconds()) for each in begun_before)
    assert seconds(service, start, end, end + HOUR, ZoneInfo(zone)) == (expected + earlier,) * 2


def test_maintenance_of_all_services_is_one_span() -> None:
    service = service_of()

    make_plan()

    assert Span.objects.get().service is None
    assert seconds(service, SINCE - HOUR, SINCE + 2 * HOUR, SINCE + 3 * HOUR) == (3600, 3600)


def test_the_notice_of_a_policy_is_kept_by_dates_far_ahead() -> None:
    service = service_of()
    policy(maintenance_notice_hours=24 * 90)
    make_plan(service, rrule="FREQ=DAILY")
    minute, now = timedelta(minutes=1), NOW
    while now < NOW + timedelta(days=95):
        running.run(now, UTC)
        now += timedelta(days=1) - minute

    too_soon, in_time = SINCE + timedelta(days=89), SINCE + timedelta(days=90)
    assert seconds(service, too_soon, too_soon + HOUR, now) == (0, 0)
    assert seconds(service, in_time, in_time + HOUR, now) == (3600, 3600)


@pytest.mark.parametrize(("rule", "published"), [("count", 3600), ("restate", 2 * 3600)])
def test_an_overrun_is_a_late_entry_which_the_policy_judges(rule: str, published: int) -> None:
    policy(late_maintenance=rule)
    service = service_of()
    make_plan(service, ends_by_hand=True)
    overrun_until = SINCE + 2 * HOUR
    running.run(SINCE + HOUR, UTC)

    acts.end_now(MaintenanceOccurrence.objects.get().pk, by=None, now=overrun_until, zone=UTC)

    assert seconds(service, SINCE, SINCE + 5 * HOUR, SINCE + 6 * HOUR) == (published, 3600)


def test_an_early_end_gives_the_rest_back() -> None:
    service = service_of()
    make_plan(service)

    acts.end_now(MaintenanceOccurrence.objects.get().pk, by=None, now=SINCE + HOUR / 2, zone=UTC)

    assert seconds(service, SINCE, SINCE + 5 * HOUR, SINCE + 6 * HOUR) == (1800, 1800)
    assert amendments.overlapping(Span(since=SINCE + HOUR / 2, until=SINCE + HOUR, service=service)) == []


def test_an_extension_before_the_end_counts_and_keeps_the_earlier_entry() -> None:
    service = service_of()
    make_plan(service)
    occurrence = MaintenanceOccurrence.objects.get()

    acts.extend(occurrence.pk, 30, by=None, now=SINCE + HOUR / 2, zone=UTC)

    assert seconds(service, SINCE, SINCE + 5 * HOUR, SINCE + 6 * HOUR) == (5400, 5400)
    assert [span.until for span in Span.objects.order_by("id")] == [SINCE + 1.5 * HOUR, SINCE + HOUR]


def test_a_skipped_date_is_measured() -> None:
    service = service_of()
    make_plan(service, rrule="FREQ=DAILY")
    first = MaintenanceOccurrence.objects.earliest("since")

    acts.skip(first.pk, by=None, now=NOW, zone=UTC)

    after = SINCE + timedelta(days=3)
    assert seconds(service, SINCE, SINCE + 5 * HOUR, after) == (0, 0)
    assert seconds(service, SINCE, after - HOUR, after) == (2 * 3600, 2 * 3600)
