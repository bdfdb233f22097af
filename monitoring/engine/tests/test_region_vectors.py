"""Checks from several regions against known cases (`vectors/regions.json`), in the order in which they are written."""

import itertools
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.accounting import evidence
from monitoring.config.thresholds import policy_for
from monitoring.engine import recording
from monitoring.models import CheckRun, Service, ServiceState, Transition, WatchServerLog
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.sla import Kind
from monitoring.rules.state import Run
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

FILE = Path(__file__).parents[2] / "rules" / "tests" / "vectors" / "regions.json"
VECTORS = json.loads(FILE.read_text())["vectors"]
NAMES = [vector["name"] for vector in VECTORS]
NOW = START + timedelta(hours=1)


@pytest.mark.parametrize("batch", [1, 2, 100])
@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_vector(vector: Any, batch: Any) -> None:
    make_service(regions=vector["regions"], quorum=vector["quorum"], **vector.get("policy", {}))
    arrived = results(vector)

    for start in range(0, len(arrived), batch):
        recording.record(arrived[start : start + batch], NOW)

    expected = {name: vector[name] for name in ("runs", "told", "final", "down_s") if name in vector}
    assert {name: found()[name] for name in expected} == expected, vector["why"]
    assert WatchServerLog.objects.count() == len(arrived)
    late = [at for at, _region, _verdict in vector.get("late", [])]
    assert not Transition.objects.filter(to_status="mo", edge_end_at__in=map(seconds_after, late)).exists()


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_regions_answer_a_slot_in_any_order(vector: Any, order: Any) -> None:
    make_service(regions=vector["regions"], quorum=vector["quorum"], **vector.get("policy", {}))

    recording.record(results(vector, order), NOW)

    assert "runs" not in vector or found()["runs"] == vector["runs"], vector["why"]
    assert found()["final"] == (vector.get("final") or vector["told"][-1][1]), vector["why"]


def results(vector: dict, order: int = 0) -> list[ProbeResult]:
    """Return the results as they arrive, those of each slot in one of their orders."""
    arrived = []
    for second, said in vector["slots"]:
        orders = list(itertools.permutations(said.items()))
        arrived += [make_result(second, verdict, region=region) for region, verdict in orders[order % len(orders)]]
    return arrived + [make_result(second, verdict, region=region) for second, region, verdict in vector.get("late", [])]


def found() -> dict:
    state = ServiceState.objects.get()
    rows = CheckRun.objects.order_by("first_at").values_list("verdict", "first_at", "last_at", "check_count", "hold_s")
    last = (state.verdict, state.run_first_at, state.run_last_at, state.run_count, state.run_hold_s)
    runs = itertools.starmap(make_run, [*rows, last])
    changes = Transition.objects.order_by("id").values_list("edge_end_at", "to_status")
    return {
        "runs": [[run.verdict, second(run.first_at), second(run.last_at), run.check_count] for run in runs],
        "told": [[second(at), status] for at, status in changes],
        "final": Service.objects.get().status,
        "down_s": down_s(state.run_last_at),
    }


def down_s(until: datetime) -> int:
    Service.objects.update(created_at=START)
    service = Service.objects.get()
    policy = policy_for(service.kind, service.failure_threshold, service.recovery_threshold)
    found = evidence.fetch([service], START, until, [policy])[service.id]
    return evidence.account(service.id, found, policy, (START, until), NOW).seconds[Kind.DOWN]


def make_run(verdict: str, first_at: datetime, last_at: datetime, count: int, hold_s: int) -> Run:
    return Run(verdict=Verdict(verdict), first_at=first_at, last_at=last_at, check_count=count, hold_s=hold_s)


def second(at: datetime) -> int:
    return round((at - START).total_seconds())


def seconds_after(second: int) -> datetime:
    return START + timedelta(seconds=second)
