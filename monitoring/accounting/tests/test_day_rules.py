"""Today is accounted by the rules that it began with, whatever a service is given meanwhile."""

from datetime import UTC, timedelta
from typing import Any

import pytest
import time_machine

from monitoring.accounting import ledger, rollup
from monitoring.accounting.today import refresh_today
from monitoring.catalogue import lifecycle
from monitoring.catalogue.sync import Wanted, sync
from monitoring.engine import recording
from monitoring.models import AccountingPolicy, ApiCallLog, Service, UptimeRecord
from monitoring.rules.sla import Kind
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

NOW = START + timedelta(hours=12)
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def service() -> Service:
    """A service that was down for the second hour of today."""
    service = make_service(check_interval=600_000)
    Service.objects.update(created_at=START)
    check(0, 43_200)
    return service


def check(start: int, end: int) -> None:
    """Let it be down for the second hour of each day."""
    batch = [
        make_result(s, "bad" if 3600 <= s % 86_400 < 7200 else "ok", interval_ms=600_000)
        for s in range(start, end, 600)
    ]
    recording.record(batch, START + timedelta(seconds=end))


def in_the_admin(service: Service) -> None:
    service.failure_threshold = 9
    lifecycle.save(service, {"failure_threshold"})


def by_a_file(service: Service) -> None:
    sync([Wanted(id=service.id, values={"failure_threshold": 9})])


@pytest.mark.parametrize("is_row_there", [True, False])
@pytest.mark.parametrize("change", [in_the_admin, by_a_file])
def test_changed_thresholds_count_from_tomorrow_in_row_and_ledger(service: Any, change: Any, is_row_there: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        if is_row_there:
            refresh_today(NOW, UTC)
        change(service)
        refresh_today(NOW, UTC)
    check(43_200, 129_600)
    rollup.roll_up(START.date(), ["payments"], TOMORROW, UTC)
    refresh_today(TOMORROW, UTC)

    rows = dict(UptimeRecord.objects.values_list("date__day", "down_s"))
    assert rows == {10: 3600, 11: 0}
    found = ledger.read(Service.objects.get(), START, TOMORROW, TOMORROW, UTC)
    assert [day.seconds[Kind.DOWN] for day in found.official.days] == [3600, 0]
    assert [terms.rules.failure_threshold for terms in found.terms] == [2, 9]


def test_another_policy_and_another_kind_count_from_tomorrow_too(service: Any) -> None:
    AccountingPolicy.objects.create(name="gold", version=1, effective_on=START.date(), failure_threshold=9)
    with time_machine.travel(NOW, tick=False):
        service.policy_name = "gold"
        lifecycle.save(service, {"policy_name"})
        refresh_today(NOW, UTC)

    row = UptimeRecord.objects.get()
    assert not ApiCallLog.objects.exists()  # whose day is taken for whole
    assert (row.policy.name, row.down_s) == ("standard", 3600)


def test_what_else_is_changed_makes_no_row(service: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        service.display_name = "Pay"
        lifecycle.save(service, {"display_name"})

    assert not UptimeRecord.objects.exists()
