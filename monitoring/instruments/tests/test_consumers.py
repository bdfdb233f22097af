from datetime import timedelta

import pytest
from django.db import transaction

from monitoring.instruments import consumers
from monitoring.models import TransitionClaim
from monitoring.rules.state import Cause, Change, Status
from monitoring.states import transitions
from monitoring.tests.factories import START, make_service
from observability.diagnostics import Verdict

SECOND = timedelta(seconds=1)


@pytest.mark.django_db
def test_the_lag_of_each_consumer_is_the_age_of_its_oldest_claim() -> None:
    make_service()
    change = Change(
        from_status=Status.OPERATIONAL,
        to_status=Status.DOWN,
        cause=Cause.FAILED,
        edge_start_at=START,
        edge_end_at=START,
    )
    with transaction.atomic():
        transitions.record([transitions.of_change("payments", change, START)])
    TransitionClaim.objects.filter(consumer="system_status").update(done_at=START)

    assert consumers.lags(START + 30 * SECOND) == {"system_status": 0 * SECOND, "incidents": 30 * SECOND}
    assert consumers.lags(START - 30 * SECOND)["incidents"] == 0 * SECOND, "a clock was set back"
    (family,) = consumers.of_consumers()
    read = {sample.labels["consumer"]: sample.value for sample in family.samples}
    assert read["incidents"] > 0 == read["system_status"]


def test_a_lag_is_a_warning_and_then_bad() -> None:
    assert consumers.judge({"incidents": 14 * SECOND}).verdict is Verdict.GOOD
    slow = consumers.judge({"incidents": 20 * SECOND, "system_status": 0 * SECOND})
    assert (slow.verdict, slow.says) == (Verdict.WARNING, "Changes of status wait to be handled: incidents (20 s)")
    late = consumers.judge({"incidents": 121 * SECOND})
    assert late.verdict is Verdict.BAD and "queue “alerts”" in late.remedy
