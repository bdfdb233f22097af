"""Earlier figures of a settled day are kept, with the cause of the change, and never edited."""

from datetime import UTC, date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction

from accounts.models import User
from monitoring.accounting import amendments, rollup
from monitoring.engine import recording
from monitoring.models import (
    AccountingPolicy,
    MaintenanceWindow,
    Restatement,
    Service,
    UptimeRecord,
    UptimeRecordVersion,
)
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

DAY = date(2025, 3, 10)
NOW = START + timedelta(days=2)
HOUR = timedelta(hours=1)


@pytest.fixture
def service() -> Service:
    """A service that was down for the second hour of its day, which has settled and was accounted."""
    service = make_service(check_interval=600_000)
    Service.objects.update(created_at=START)
    batch = [make_result(s, "bad" if 3600 <= s < 7200 else "ok", interval_ms=600_000) for s in range(0, 90_000, 600)]
    recording.record(batch, NOW)
    account(NOW)
    return service


def account(now: Any) -> None:
    with time_machine.travel(now, tick=False):
        rollup.roll_up(DAY, ["payments"], now, UTC)


def kept() -> list[tuple[str, str, str]]:
    rows = UptimeRecordVersion.objects.order_by("replaced_at")
    return [(row.cause, str(row.uptime_percentage), row.status) for row in rows]


def test_to_account_a_day_again_with_the_same_outcome_keeps_nothing(service: Any) -> None:
    account(NOW + HOUR)

    assert kept() == []


def test_each_change_keeps_what_was_said_before_and_why(service: Any) -> None:
    window = MaintenanceWindow(service=service, since=START + HOUR, until=START + 2 * HOUR)
    amendments.keep_span(window, now=NOW + HOUR, zone=UTC)
    account(NOW + 2 * HOUR)
    restatement = Restatement.objects.create(
        service=service,
        since=START + 3 * HOUR,
        until=START + 4 * HOUR,
        restated_as="down",
        reason="nobody could pay",
        proposed_at=NOW,
    )
    boss = User.objects.create_user("boss", "boss@example.com", role="admin")
    amendments.decide(restatement, is_approved=True, by=boss, now=NOW + 3 * HOUR, zone=UTC)
    account(NOW + 4 * HOUR)
    recording.record([make_result(s, "bad", interval_ms=600_000) for s in range(36_301, 36_600, 60)], NOW + 5 * HOUR)
    account(NOW + 6 * HOUR)

    assert kept() == [
        ("maintenance", "95.83", "po"),
        ("restated", "100.00", "o"),
        ("checks", "95.65", "po"),
    ]
    first = UptimeRecordVersion.objects.earliest("replaced_at")
    assert (first.replaced_at, first.down_s, first.operational_s) == (NOW + 2 * HOUR, 3600, 82_800)


def test_other_rules_are_named(service: Any) -> None:
    AccountingPolicy.objects.create(name="standard", version=2, effective_on=DAY, failure_threshold=9)
    account(NOW + HOUR)

    assert kept() == [("rules", "95.83", "po")]


def test_a_day_that_had_not_settled_keeps_nothing(service: Any) -> None:
    UptimeRecord.objects.update(is_settled=False, down_s=1)
    account(NOW + HOUR)

    assert kept() == []


def test_made_up_days_keep_nothing(service: Any) -> None:
    UptimeRecord.objects.update(metadata={"sample": True}, down_s=1)
    account(NOW + HOUR)

    assert kept() == []


def test_earlier_figures_cannot_be_edited(service: Any) -> None:
    UptimeRecord.objects.update(down_s=1)
    account(NOW + HOUR)

    with pytest.raises(IntegrityError, match="are in the books and stay as they are"), transaction.atomic():
        UptimeRecordVersion.objects.update(down_s=0)
    assert UptimeRecordVersion.objects.get().down_s == 1
