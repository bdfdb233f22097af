"""Whatever order checks arrive in, however often: the figures of the recorded runs are those of the raw checks."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring import accounting, recording, sla
from monitoring.models import Service, WatchServerLog
from monitoring.policies import POLICY
from monitoring.probes.model import Verdict
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

WINDOW = (START, START + timedelta(hours=2))
INTERVALS_S = (60, 60, 60, 300)

# Slots of a minute with a verdict and an interval; some are missing, and a few hundred milliseconds are in the instant.
checks = st.lists(
    st.tuples(
        st.integers(-5, 125),
        st.sampled_from(["ok", "ok", "ok", "slow", "bad", "bad"]),
        st.sampled_from(INTERVALS_S),
        st.sampled_from([0, 0.25]),
    ),
    max_size=60,
    unique_by=lambda check: check[0],
)


class Undo(Exception):
    pass


@settings(max_examples=60, deadline=None)
@given(checks, st.randoms(use_true_random=False))
def test_figures_of_recorded_runs_are_those_of_raw_checks(found, random):
    try:
        with transaction.atomic():
            assert by_runs(found, random) == by_raw()
            raise Undo
    except Undo:
        pass


def by_runs(found, random) -> list[sla.Interval]:
    """Record the checks in lots in any order, some of them twice, and account what was recorded."""
    service = make_service()
    Service.objects.update(created_at=START - timedelta(days=1))
    service.refresh_from_db()
    results = [
        make_result(slot * 60 + offset, verdict, interval_ms=interval_s * 1000)
        for slot, verdict, interval_s, offset in found
    ]
    results += random.sample(results, len(results) // 4)
    random.shuffle(results)
    while results:
        size = random.randint(1, 20)
        lot, results = results[:size], results[size:]
        recording.record(lot, WINDOW[1] + timedelta(hours=1))
    evidence = accounting.evidence([service], *WINDOW, [POLICY])[service.id]
    return list(accounting.account(service.id, evidence, POLICY, WINDOW, WINDOW[1] + timedelta(days=1)).intervals)


def by_raw() -> list[sla.Interval]:
    """Account the raw checks themselves, in order of time."""
    rows = WatchServerLog.objects.order_by("checked_at").values_list("checked_at", "verdict", "interval_ms")
    stretches = sla.encode((int(at.timestamp()), Verdict(verdict), round(2.5 * ms / 1000)) for at, verdict, ms in rows)
    start, end = (int(instant.timestamp()) for instant in WINDOW)
    return sla.account(stretches, [], POLICY, window=(start, end), created_at=start - 86_400)
