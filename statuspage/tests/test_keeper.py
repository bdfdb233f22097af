"""When the page is read again, and which page is served meanwhile."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries

from database import changes
from monitoring.models import ServiceState
from statuspage import keeper as keeper_module
from statuspage.keeper import Job, Keeper
from statuspage.readmodel import read
from statuspage.tests.cast import NOW, make_service, reading_keeper

pytestmark = pytest.mark.django_db

POLL_QUERIES = 1  # the change counter
READ_QUERIES = 4  # services with their states, their days, open incidents, the operator's message


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize("services", [3, 300])
def test_number_of_queries_does_not_depend_on_services(
    django_assert_num_queries: DjangoAssertNumQueries, services: int
) -> None:
    for number in range(services):
        make_service(f"Service {number}")

    with django_assert_num_queries(POLL_QUERIES + READ_QUERIES):
        edition = reading_keeper().edition(NOW)

    assert len(edition.model.services) == services


def test_visit_right_after_another_asks_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keeper = reading_keeper()
    first = keeper.edition(NOW)

    with django_assert_num_queries(0):
        assert keeper.edition(NOW + seconds(0.2)) is first


def test_an_event_loop_is_given_what_there_is_and_never_waits() -> None:
    jobs: list[Job] = []
    keeper = Keeper(run=jobs.append)

    assert keeper.edition_at_once(NOW) is None
    jobs.pop()()
    first = keeper.edition_at_once(NOW + seconds(1))
    assert first is not None and len(jobs) == 1, "a poll is due, and hangs"
    assert keeper.edition_at_once(NOW + seconds(14)) is first
    assert keeper.edition_at_once(NOW + seconds(16)) is None, "it must be marked as old first, which takes a moment"
    jobs.pop()()
    assert keeper.edition_at_once(NOW + seconds(1.1)) is first


def test_poll_without_change_asks_for_the_counter_alone(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keeper = reading_keeper()
    first = keeper.edition(NOW)

    with django_assert_num_queries(POLL_QUERIES):
        assert keeper.edition(NOW + seconds(0.3)) is first


def test_page_is_read_again_when_the_counter_moved(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    keeper = reading_keeper()
    keeper.edition(NOW)
    make_service("Payments")
    changes.bump("page")

    with django_assert_num_queries(POLL_QUERIES + READ_QUERIES):
        edition = keeper.edition(NOW + seconds(0.3))

    assert [line.name for line in edition.model.services] == ["Payments"]


def test_page_of_five_seconds_is_read_again_although_nothing_was_counted() -> None:
    make_service("Payments")
    keeper = reading_keeper()
    keeper.edition(NOW)
    ServiceState.objects.update(last_response_ms=99)

    assert keeper.edition(NOW + seconds(4.9)).model.services[0].response_ms == 84.4
    assert keeper.edition(NOW + seconds(5.2)).model.services[0].response_ms == 99


def test_clock_set_back_does_not_freeze_the_page() -> None:
    keeper = reading_keeper()
    keeper.edition(NOW)

    assert keeper.edition(NOW - seconds(3600)).model.read_at == NOW - seconds(3600)


def test_only_one_poll_runs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "READ_TIMEOUT_S", 0)
    jobs = Jobs()
    keeper = Keeper(run=jobs)
    first = keeper.edition(NOW)
    jobs.hang = True

    served = [keeper.edition(NOW + seconds(after)) for after in (0.3, 0.8, 9)]

    assert served == [first, first, first]
    assert len(jobs.hanging) == 1


def test_after_one_visitor_waited_in_vain_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "READ_TIMEOUT_S", 0)
    jobs = Jobs()
    keeper = Keeper(run=jobs)
    first = keeper.edition(NOW)
    jobs.hang = True
    keeper.edition(NOW + seconds(1))

    monkeypatch.setattr(keeper_module, "READ_TIMEOUT_S", "not a number: waiting raises TypeError")
    assert keeper.edition(NOW + seconds(2)) is first

    jobs.hang = False
    jobs.hanging.pop()()
    assert keeper.edition(NOW + seconds(7)).model.read_at == NOW + seconds(7)


def test_page_is_marked_stale_after_fifteen_seconds_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = reading_keeper()
    first = keeper.edition(NOW)
    working = changes.current
    fail(monkeypatch)

    assert keeper.edition(NOW + seconds(14)) is first
    assert b"These figures are 16 s old" in keeper.edition(NOW + seconds(16)).answer("en").html
    assert b"These figures are 2 min old" in keeper.edition(NOW + seconds(125)).answer("en").html

    monkeypatch.setattr(changes, "current", working)
    assert b"These figures are" not in keeper.edition(NOW + seconds(130)).answer("en").html


def test_stale_page_is_rendered_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = reading_keeper()
    keeper.edition(NOW)
    fail(monkeypatch)

    assert keeper.edition(NOW + seconds(41)) is keeper.edition(NOW + seconds(49))


def test_fault_of_ours_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "render", lambda model, language, stale_at: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        reading_keeper().edition(NOW).answer("en")


def test_page_is_rendered_ahead_in_the_languages_of_its_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered, render = [], keeper_module.render  # type: ignore[attr-defined]
    monkeypatch.setattr(keeper_module, "render", lambda *made_of: rendered.append(made_of[1]) or render(*made_of))
    keeper = reading_keeper()
    keeper.edition(NOW).answer("ko")
    assert rendered == ["ko"]

    newer = keeper.edition(NOW + seconds(6))
    assert rendered == ["ko", "ko"]

    assert newer.answer("ko") is newer.answer("ko")
    newer.answer("en")
    assert rendered == ["ko", "ko", "en"]


@pytest.mark.django_db(transaction=True)
def test_poll_runs_in_a_thread_of_its_own() -> None:
    make_service("Payments")

    edition = Keeper().edition(NOW)

    assert [line.name for line in edition.model.services] == ["Payments"]


def test_model_is_read_at_the_instant_given() -> None:
    make_service("Payments", stale_in=seconds(60))

    assert not read(NOW + seconds(59), change=0, zone=ZoneInfo("UTC")).services[0].is_silent
    assert read(NOW + seconds(60), change=0, zone=ZoneInfo("UTC")).services[0].is_silent


class Jobs:
    """Run each poll at once, or keep it as if the database did not answer."""

    def __init__(self) -> None:
        self.hang = False
        self.hanging: list[Any] = []

    def __call__(self, job: Job) -> None:
        if self.hang:
            self.hanging.append(job)
        else:
            job()


def fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def current(_topic: str) -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(changes, "current", current)
