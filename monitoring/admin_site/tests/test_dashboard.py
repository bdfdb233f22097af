"""The data of the dashboard: services with problems, the condition of the engine, the day and the week."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from pytest_django import DjangoAssertNumQueries

from database import partitions
from monitoring.accounting import hourly
from monitoring.admin_site import dashboard
from monitoring.admin_site.dashboard import Period
from monitoring.engine.recording import record
from monitoring.models import DispatchWatermark, EngineWorker, Service, ServiceState
from monitoring.probes.model import Phases
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

NOW = START + timedelta(hours=10, minutes=30)


@pytest.fixture(autouse=True)
def room() -> None:
    for table in ("watch_server_logs", "api_response_times"):
        partitions.ensure(table, {START.date(), (START - timedelta(days=1)).date(), (START - timedelta(days=6)).date()})
    cache.clear()


def store(service_id: str, verdicts: str, *, until: timedelta = timedelta(0), response_ms: float = 40.0) -> None:
    """Store a check each minute, the last one now or so long ago; g good, s slow, b bad."""
    words = {"g": "ok", "s": "slow", "b": "bad"}
    last_s = (NOW - until - START).total_seconds()
    record(
        [
            make_result(last_s - 60 * back, words[letter], service_id, phases=Phases(total_ms=response_ms), requests=())
            for back, letter in enumerate(reversed(verdicts))
        ],
        NOW,
    )


def test_problems_are_listed_worst_first_and_newest_first_with_since_and_why() -> None:
    for name in ("down", "long", "fine", "silent", "slow", "unmeasured", "paused"):
        make_service(name, is_active=name != "paused")
    store("fine", "gg")
    store("slow", "gss")
    store("down", "gbbb")
    store("long", "gbbbbbbb")
    store("silent", "gg", until=timedelta(minutes=20))

    found, count = dashboard.service_problems(NOW)

    assert [(each.id, each.status) for each in found] == [
        ("down", "mo"),
        ("long", "mo"),
        ("slow", "po"),
        ("silent", "nd"),
        ("unmeasured", "nd"),
    ]
    assert count == 5
    assert (found[0].since, found[0].error) == (NOW - timedelta(minutes=2), "connection refused by 10.0.0.5:443")
    assert found[2].since == NOW - timedelta(minutes=1)
    assert found[3].since == NOW - timedelta(minutes=20)
    assert found[4].since is None


def test_a_long_list_is_cut_and_counted(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "MOST_PROBLEMS_READ", 20)
    for number in range(25):
        make_service(f"service-{number}")

    with django_assert_num_queries(2):
        found, count = dashboard.service_problems(NOW)

    assert (len(found), count) == (20, 25)


def test_the_engine_says_how_it_is(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_service()
    store("payments", "ggg", until=timedelta(seconds=1))
    DispatchWatermark.objects.create(dispatched_until=NOW + timedelta(seconds=1.2), skipped_slots=7)
    for name, role, age_s in [
        ("probe1", "probe", 3),
        ("engine", "engine", 3),
        ("dispatch", "dispatch", 3),
        ("gone", "probe", 90),
    ]:
        EngineWorker.objects.create(
            name=name, role=role, started_at=START, seen_at=NOW - timedelta(seconds=age_s), counters={"expired": 2}
        )

    with django_assert_num_queries(4):
        engine = dashboard.engine(NOW)

    assert engine.checks_per_s == pytest.approx(1 / 60)
    assert engine.lateness_p50_ms == engine.lateness_p99_ms == 1.5
    assert (engine.probe_workers, engine.engine_workers, engine.dispatch_workers) == (1, 1, 1)
    assert engine.last_dispatch_s == pytest.approx(0.8)
    assert (engine.skipped_slots, engine.expired_probes) == (7, 6)


def test_an_engine_that_never_ran_says_so() -> None:
    engine = dashboard.engine(NOW)

    assert (engine.checks_per_s, engine.lateness_p50_ms, engine.last_dispatch_s) == (0, None, None)


def test_lists_and_charts_of_the_day_and_the_week() -> None:
    for name in ("payments", "search", "old"):
        make_service(name)
    store("payments", "ggbb", response_ms=100)
    store("search", "ggss", response_ms=900)
    store("old", "gb", until=timedelta(days=5), response_ms=50)
    hourly.roll_up(NOW)

    day, week = dashboard.trends(Period.DAY, NOW), dashboard.trends(Period.WEEK, NOW)

    assert [(each.id, each.average_ms) for each in day.slowest] == [("search", 900), ("payments", 100)]
    assert [(each.id, each.failed, each.total) for each in day.least_available] == [("payments", 2, 4)]
    assert {each.id for each in week.least_available} == {"payments", "old"}
    assert (len(day.hours), len(week.hours)) == (24, 168)
    assert (day.hours[-1].ok, day.hours[-1].slow, day.hours[-1].bad) == (4, 2, 2)
    assert day.hours[-1].p95_ms == pytest.approx(900, rel=0.19)
    assert day.hours[0].p50_ms is None


def test_availability_is_time_and_a_single_failure_is_none() -> None:
    make_service("payments")
    make_service("search")
    Service.objects.update(created_at=START)
    store("payments", "ggbbgggg")
    store("search", "ggbggggg")
    hourly.roll_up(NOW)

    found = {each.id: each for each in dashboard.trends(Period.DAY, NOW).least_available}

    assert (found["payments"].down_s, found["payments"].uptime) == (120, 71_42), "2 of 7 minutes"
    assert (found["search"].down_s, found["search"].uptime) == (0, 100_00)


def test_trends_are_kept_and_read_in_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(8):
        make_service(f"service-{number}")
        store(f"service-{number}", "gb")
    hourly.roll_up(NOW)

    with django_assert_num_queries(9):
        first = dashboard.trends(Period.DAY, NOW)
    with django_assert_num_queries(0):
        assert dashboard.trends(Period.DAY, NOW) == first


def test_a_service_without_any_check_has_no_state() -> None:
    make_service()

    assert not ServiceState.objects.exists()
    assert dashboard.service_problems(NOW)[0][0].name == str(Service.objects.get())
