from datetime import UTC, datetime, timedelta

import pytest

from incidents.maintenance import instruments, running
from incidents.maintenance.tests.factories import make_plan
from observability.diagnostics import Verdict

SINCE = datetime(2025, 3, 11, 2, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.django_db
def test_steps_that_nobody_did_in_time_are_counted() -> None:
    make_plan()
    make_plan(title="By hand", ends_by_hand=True, starts_on=SINCE.date() + timedelta(days=1))

    assert instruments.late_steps(SINCE + 2 * MINUTE) == 0
    assert instruments.late_steps(SINCE + 3 * MINUTE) == 1
    running.run(SINCE + 3 * MINUTE, UTC)
    assert instruments.late_steps(SINCE + HOUR - MINUTE) == 0
    assert instruments.late_steps(SINCE + HOUR + 3 * MINUTE) == 1
    running.run(SINCE + 26 * HOUR, UTC)
    assert instruments.late_steps(SINCE + 24 * 3 * HOUR) == 0, "a person ends it"
    values = {family.name: family.samples[0].value for family in instruments.of_maintenance()}
    assert values == {
        "slamonitor_maintenance_under_way": 1.0,
        "slamonitor_maintenance_overrun": 1.0,
        "slamonitor_maintenance_late_steps": 0.0,
    }


def test_findings_name_what_to_do() -> None:
    assert instruments.judge(0, []).verdict is Verdict.GOOD
    assert "queue “alerts”" in instruments.judge(2, ["Disks"]).remedy
    assert instruments.judge(0, ["Disks"]).says == "Past its planned end and under way: Disks"
