"""Recorded runs are a function of the raw checks, regardless of their order of arrival and number of regions."""

from datetime import timedelta
from math import ceil
from typing import Any

import pytest
from django.db import transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.accounting import evidence
from monitoring.config.thresholds import policy_for
from monitoring.engine import late_outages, recording
from monitoring.models import CheckRun, Service, ServiceState, Transition, WatchServerLog
from monitoring.probes.model import Verdict
from monitoring.rules import sla
from monitoring.rules.state import Policy
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

WINDOW = (START, START + timedelta(hours=2))
LATER = WINDOW[1] + timedelta(hours=1)
INTERVALS_S = (60, 60, 60, 300)
REGIONS = ("a", "b", "c")

# Slots of a minute, each with a region, a verdict and an interval; some are missing, and a few hundred milliseconds
# or a second are in the instant, so that several checks may lie in one second.
checks = st.lists(
    st.tuples(
        st.integers(-5, 60),
        st.sampled_from(REGIONS),
        st.sampled_from(["ok", "ok", "ok", "slow", "bad", "bad"]),
        st.sampled_from(INTERVALS_S),
        st.sampled_from([0, 0, 0, 0.25, 0.5, 1.25]),
    ),
    max_size=120,
    unique_by=lambda check: (check[0], check[1], check[4]),
)
thresholds = st.integers(1, 10)
# How many slots late each check arrives, most of them not at all.
delays = st.lists(st.sampled_from([0, 0, 0, 0, 1, 3, 40]), min_size=120, max_size=120)
cuts = st.lists(st.integers(1, 20), min_size=120, max_size=120)


def slots(first: int, last: int, verdict: str, regions: str = "ab") -> Any:
    return [(slot, region, verdict, 60, 0) for slot in range(first, last + 1) for region in regions]


class Undo(Exception):
    pass


@settings(max_examples=settings.default.max_examples // 2)  # each records checks
@given(st.integers(1, 3), st.none() | st.integers(1, 3), thresholds, thresholds, checks, delays, cuts)
# A good result of one region, two slots late, once made an outage of five slots in both vanish.
@example(
    2,
    None,
    5,
    1,
    [*slots(0, 9, "ok"), *slots(10, 14, "bad"), *slots(15, 20, "ok")],
    [0] * 32 + [4] + [0] * 87,
    [2] * 120,
)
# A late good result once made an outage of two bad slots, where three confirm one.
@example(2, None, 3, 1, [*slots(0, 6, "ok"), *slots(7, 8, "bad"), *slots(9, 20, "ok")], [0] * 17 + [5] * 103, [3] * 120)
# Two checks in one second, and a late one before them.
@example(
    1, None, 2, 2,
    [(0, "a", "ok", 1, 73.345), (0, "a", "bad", 1, 72.345), (0, "a", "ok", 1, 73.983), (0, "a", "bad", 1, 70.345)],
    [0, 0, 0, 9] + [0] * 116, [3] * 120,
)  # fmt: skip
def test_what_is_recorded_follows_from_the_raw_checks(
    regions: Any, quorum: Any, failures: Any, recoveries: Any, found: Any, delays: Any, cuts: Any
) -> None:
    try:
        with transaction.atomic():
            service = make_service(
                regions=list(REGIONS[:regions]),
                quorum=quorum and min(quorum, regions),
                failure_threshold=failures,
                recovery_threshold=recoveries,
            )
            Service.objects.update(created_at=START - timedelta(days=1))
            service.refresh_from_db()
            policy = policy_for("http", failures, recoveries)
            deliver([check for check in found if check[1] in REGIONS[:regions]], delays, cuts)

            assert runs_recorded() == runs_of_raw(service)
            assert accounted(service, policy) == accounted_by_raw(service, policy)
            assert untold(service, policy) == []
            assert confirmed() == sla.standing(runs_of_raw(service), policy)[::2]
            raise Undo
    except Undo:
        pass


def deliver(found: Any, delays: Any, cuts: Any) -> None:
    """Record the checks in batches of any cut, each check so many slots late, and every fourth twice."""
    arriving = [
        (slot + delay, make_result(slot * 60 + offset, verdict, region=region, interval_ms=interval_s * 1000))
        for (slot, region, verdict, interval_s, offset), delay in zip(found, delays, strict=False)
    ]
    arriving += [(at + 2, result) for at, result in arriving[::4]]
    results = [result for _at, result in sorted(arriving, key=lambda each: each[0])]
    for size in cuts:
        batch, results = results[:size], results[size:]
        recording.record(batch, LATER)
    recording.record(results, LATER)


def runs_recorded() -> list[sla.Stretch]:
    rows = list(
        CheckRun.objects.order_by("first_at").values_list("verdict", "first_at", "last_at", "check_count", "hold_s")
    )
    state = ServiceState.objects.first()
    if state and state.verdict:
        rows.append((state.verdict, state.run_first_at, state.run_last_at, state.run_count, state.run_hold_s))
    return [sla.Stretch(Verdict(v), second(first), second(last), count, hold) for v, first, last, count, hold in rows]


def runs_of_raw(service: Any) -> list[sla.Stretch]:
    """Fold the raw checks slowly and obviously: second by second, over all regions."""
    rows = list(WatchServerLog.objects.order_by("checked_at", "region"))
    quorum = service.quorum or len(service.regions) // 2 + 1
    slots = []
    for at in sorted({second(row.checked_at) for row in rows}):
        newest = {row.region: row for row in rows if second(row.checked_at) <= at}
        speaking = [row for row in newest.values() if second(row.checked_at) + hold_s(row) >= at]
        bad = sum(row.verdict == "bad" for row in speaking)
        if bad >= min(quorum, len(speaking)):
            verdict = Verdict.BAD
        else:
            verdict = Verdict.OK if all(row.verdict == "ok" for row in speaking) else Verdict.SLOW
        slots.append((at, verdict, max(hold_s(row) for row in speaking if second(row.checked_at) == at)))
    return sla.encode(slots)


def untold(service: Any, policy: Policy) -> list:
    """Return the outages without a transition."""
    told = [second(at) for at in Transition.objects.filter(to_status="mo").values_list("edge_end_at", flat=True)]
    found = late_outages.outages(runs_of_raw(service), policy)
    return [outage for outage in found if not any(outage.first_bad <= at <= (outage.recovered or at) for at in told)]


def confirmed() -> tuple[bool, int]:
    state = ServiceState.objects.first()
    return (state.is_down, state.streak_count) if state else (False, 0)


def accounted(service: Any, policy: Policy) -> list[sla.Interval]:
    found = evidence.fetch([service], *WINDOW, [policy])[service.id]
    return list(evidence.account(service.id, found, policy, WINDOW, LATER + timedelta(days=1)).intervals)


def accounted_by_raw(service: Any, policy: Policy) -> list[sla.Interval]:
    start, end = map(second, WINDOW)
    return sla.account(runs_of_raw(service), [], policy, window=(start, end), created_at=start - 86_400)


def hold_s(row: WatchServerLog) -> int:
    return ceil(2.5 * row.interval_ms / 1000)


def second(at: Any) -> int:
    return int(at.timestamp() // 1)
