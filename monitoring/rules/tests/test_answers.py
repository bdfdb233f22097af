"""Response times are those of answers: in every figure, and the same from raw, compressed and recounted rows."""

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database import partitions
from monitoring.accounting import hourly, percentiles, rollup, time_range
from monitoring.checks.compressed import moving
from monitoring.checks.compressed.kinds import KINDS
from monitoring.engine.recording import record
from monitoring.models import (
    ApiCallLog,
    CompressedChecks,
    Service,
    ServiceHour,
    ServiceState,
    UptimeRecord,
    WatchServerLog,
)
from monitoring.probes.model import ErrorType, MeasuredRequest, Phases, ProbeResult, Verdict
from monitoring.rules.answers import average_ms, nearest_rank
from monitoring.tests.factories import START, START_MS, answered_500, make_result, make_service

pytestmark = pytest.mark.django_db

DAY = START.date()
NOW = START + timedelta(days=1, hours=2)
TIMES = ("avg", "min", "p50", "p95", "p99", "max")


@dataclass(frozen=True)
class Attempt:
    """A result of a check, and whether it is an answer according to docs/sla.md."""

    name: str
    is_answer: bool
    verdict: str = "bad"
    error: ErrorType | None = None
    status_code: int | None = None

    def result(self, second: float, milliseconds: float) -> ProbeResult:
        phases = Phases(total_ms=milliseconds)
        words = self.name if self.verdict == "bad" else None
        request = MeasuredRequest(
            started_at_ms=START_MS + round(second * 1000), url="http://payments.example/", method="GET",
            status_code=self.status_code, error_message=words, phases=phases,
        )  # fmt: skip
        return make_result(
            second, interval_ms=300_000, verdict=Verdict(self.verdict), status_code=self.status_code,
            error_type=self.error, error_message=words, phases=phases, requests=(request,),
        )  # fmt: skip


ATTEMPTS = [
    Attempt("answered 200", True, "ok", None, 200),
    Attempt("slow 200", True, "slow", None, 200),
    Attempt("answered 500", True, "bad", ErrorType.HTTP, 500),
    Attempt("answered without the keyword", True, "bad", ErrorType.HTTP, 200),
    Attempt("refused", False, "bad", ErrorType.CONNECTION),
    Attempt("timeout without a byte", False, "bad", ErrorType.TIMEOUT),
    Attempt("timeout in the body", False, "bad", ErrorType.TIMEOUT, 200),
    Attempt("cut off in the body", False, "bad", ErrorType.CONNECTION, 200),
    Attempt("not HTTP", False, "bad", ErrorType.HTTP),
    Attempt("no such name", False, "bad", ErrorType.DNS),
]


@pytest.fixture
def service() -> Service:
    service = make_service(check_interval=300_000)
    Service.objects.update(created_at=START - timedelta(days=1))
    return service


def calls(field: str) -> float | None:
    return getattr(ApiCallLog.objects.get(), f"{field}_response_time")


def test_fifty_refusals_do_not_make_an_outage_fast(service: Any) -> None:
    refused = Attempt("refused", False, "bad", ErrorType.CONNECTION)
    slow = [answered_500(600 * n, 2_000 + n) for n in range(5)]
    record([*(refused.result(60 * n + 30, 0.4) for n in range(50)), *slow], NOW)

    rollup.roll_up(DAY, [service.id], NOW, UTC)
    hourly.roll_up(NOW)

    log, day = ApiCallLog.objects.get(), UptimeRecord.objects.get()
    assert (log.total_calls, log.successful_calls, log.failed_calls) == (55, 0, 55)
    assert [calls(name) for name in TIMES] == [2_002, 2_000, 2_002, 2_004, 2_004, 2_004]
    assert (day.total_checks, day.failed_checks, day.avg_response_time) == (55, 55, 2_002)
    assert sum(log.histogram_counts) == 5
    assert min(row.response_ms_sum / row.answered_count for row in ServiceHour.objects.all()) >= 2_000


def test_a_day_of_refusals_has_no_response_time_and_neither_has_the_newest_check(service: Any) -> None:
    record([ATTEMPTS[4].result(60 * n, 0.4) for n in range(50)], NOW)

    rollup.roll_up(DAY, [service.id], NOW, UTC)

    assert [calls(name) for name in TIMES] == [None] * len(TIMES)
    assert UptimeRecord.objects.get().avg_response_time is None
    assert ServiceState.objects.get().last_response_ms is None
    assert WatchServerLog.objects.first().response_time == pytest.approx(0.4), "the raw row tells how long it took"


def test_a_ping_that_tells_no_time_counts_none(service: Any) -> None:
    record([make_result(0, phases=Phases(total_ms=0.0), requests=())], NOW)

    rollup.roll_up(DAY, [service.id], NOW, UTC)
    hourly.roll_up(NOW)

    assert UptimeRecord.objects.get().avg_response_time is None
    assert ServiceHour.objects.get().answered_count == 0


def test_the_newest_answer_is_shown_with_its_time(service: Any) -> None:
    record([answered_500(0, 812.5)], NOW)

    assert ServiceState.objects.get().last_response_ms == 812.5


def test_the_answer_before_a_redirect_that_fails_keeps_its_time(service: Any) -> None:
    failed = ATTEMPTS[4].result(0, 900.0)
    first = replace(failed.requests[0], status_code=302, error_message=None, phases=Phases(total_ms=20.0))
    record([replace(failed, requests=(first, failed.requests[0]))], NOW)

    rollup.roll_up(DAY, [service.id], NOW, UTC)

    assert ApiCallLog.objects.get().avg_response_time is None, "redirects on the way are not counted"


def expected(made: list[tuple[Attempt, int]]) -> dict[str, Any]:
    """The figures of a day, by the words of docs/sla.md and as simply as can be."""
    times = sorted(hundredths for attempt, hundredths in made if attempt.is_answer)
    average = None
    if times:
        whole, rest = divmod(sum(times), len(times))
        average = (whole + (2 * rest >= len(times))) / 100
    ranks = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    found = {
        name: times[max(1, -(-len(times) * percent // 100)) - 1] / 100 if times else None
        for name, percent in ranks.items()
    }
    return {"avg": average, "record": average, **found}


def stored() -> dict[str, Any]:
    return {"record": UptimeRecord.objects.get().avg_response_time, **{name: calls(name) for name in TIMES}}


def percentile_counts() -> dict[int, int]:
    """Count a part of the day, which is read from raw or compressed requests."""
    window = time_range.asked_for({"from": "2025-03-10T00:00:01Z", "to": "2025-03-10T23:00:00Z"}, NOW, UTC)
    return dict(percentiles.read(Service.objects.get(), window, NOW, UTC).counts)


ONES = st.tuples(st.sampled_from(ATTEMPTS), st.integers(1, 3_000_000))


@settings(max_examples=settings.default.max_examples // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(ONES, min_size=1, max_size=40))
def test_raw_compressed_and_recounted_figures_are_those_of_a_simple_oracle(made: Any) -> None:
    with transaction.atomic():
        compare_with_oracle(made)
        transaction.set_rollback(True)


def compare_with_oracle(made: list[tuple[Attempt, int]]) -> None:
    service = make_service(check_interval=300_000)
    Service.objects.update(created_at=START - timedelta(days=1))
    record([each.result(60 * n + 60, hundredths / 100) for n, (each, hundredths) in enumerate(made)], NOW)
    buckets = percentile_counts()

    rollup.roll_up(DAY, [service.id], NOW, UTC)
    assert stored() == expected(made)
    log = ApiCallLog.objects.get()
    assert (log.total_calls, log.failed_calls) == (len(made), sum(each.verdict == "bad" for each, _ in made))
    assert sum(buckets.values()) == sum(each.is_answer for each, _ in made)

    for kind in KINDS:
        partitions.ensure(kind.compressed, {DAY})
        moving.compress(kind, DAY, [service.id])
    assert CompressedChecks.objects.get().row_count == len(made) and not WatchServerLog.objects.exists()
    assert percentile_counts() == buckets
    rollup.roll_up(DAY, [service.id], NOW, UTC)
    assert stored() == expected(made), "as it was counted before it was compressed"

    UptimeRecord.objects.update(avg_response_time=1)
    rollup.roll_up(DAY, [service.id], NOW, UTC, recounts=True)
    assert stored() == expected(made), "counted again from what was compressed"
    assert (WatchServerLog.objects.count(), CompressedChecks.objects.count()) == (len(made), 0)


@given(st.integers(1, 5_000), st.integers(0, 100))
def test_ranks_are_the_nearest(count: Any, percent: Any) -> None:
    index = nearest_rank(percent, count)

    assert 100 * (index + 1) >= percent * count, "at least this share reach it"
    assert index == 0 or 100 * index < percent * count, "and no smaller one does"


@pytest.mark.parametrize(("count", "hundredths", "average"), [(0, 0, None), (2, 3, 0.02), (3, 4, 0.01), (3, 5, 0.02)])
def test_averages_are_rounded_to_the_nearest_hundredth_half_up(count: Any, hundredths: Any, average: Any) -> None:
    assert average_ms(count, hundredths) == average


@pytest.mark.parametrize(("percent", "count"), [(95, 20), (99, 100), (50, 7), (50, 8), (95, 19), (99, 201)])
def test_ranks_are_those_of_percentile_disc(percent: Any, count: Any) -> None:
    query = "SELECT percentile_disc(%s::float8 / 100) WITHIN GROUP (ORDER BY n) FROM generate_series(1, %s) AS n"
    with connection.cursor() as cursor:
        cursor.execute(query, [percent, count])
        assert cursor.fetchone()[0] == nearest_rank(percent, count) + 1
