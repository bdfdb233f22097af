"""The browser of raw checks: pages by key, filters, one check with its relations, and an end to waiting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from accounts.tests.cast import Person
from database import partitions
from monitoring.checks import check_search
from monitoring.checks.check_search import Key, Wanted, read
from monitoring.checks.compressed.reading import TooMuch
from monitoring.models import ApiResponseTime, Transition, WatchServerLog
from monitoring.models.raw import RAW_TABLES
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
ALL = Wanted(since=NOW - timedelta(days=1), until=NOW)


@pytest.fixture(autouse=True)
def days() -> None:
    for table in RAW_TABLES:
        partitions.ensure(table, {NOW.date(), NOW.date() - timedelta(days=1)})


def store(seconds_ago: float, service_id: str = "payments", verdict: str = "ok", **fields: Any) -> WatchServerLog:
    bad = {"error_type": "timeout", "error_message": "no answer within 5 s"} if verdict == "bad" else {}
    values = {"region": "default", "lateness_ms": 1, "interval_ms": 60_000, "response_time": 40, **bad, **fields}
    check = WatchServerLog(
        service_id=service_id, checked_at=NOW - timedelta(seconds=seconds_ago), verdict=verdict, **values
    )
    check.save(force_insert=True)
    return check


def walk(wanted: Wanted, rows: int) -> list[list[str]]:
    """Read all pages from the newest to the oldest, as keys."""
    pages, page = [], read(wanted, rows=rows)
    while True:
        pages.append([str(Key.of(check)) for check in page.checks])
        if page.older is None:
            return pages
        page = read(wanted, after=page.older, rows=rows)


@pytest.mark.parametrize("wanted", [ALL, Wanted(since=ALL.since, until=NOW, service_id="payments")])
def test_pages_show_every_check_once_newest_first_and_back_again(wanted: Any) -> None:
    stored = [store(seconds) for seconds in (1, 30, 61, 62, 600, 4000, 40_000, 80_000)]

    pages = walk(wanted, rows=3)

    assert [key for page in pages for key in page] == [str(Key.of(check)) for check in stored]
    back = read(wanted, before=Key.parse(pages[2][0]), rows=3)
    assert [str(Key.of(check)) for check in back.checks] == pages[1]
    first = read(wanted, before=back.newer, rows=3)
    assert [str(Key.of(check)) for check in first.checks] == pages[0]
    assert first.newer is None


def test_checks_of_the_same_instant_are_neither_lost_nor_doubled() -> None:
    for name in "abcdefg":
        store(10, name)
        store(10, name, region="seoul")

    keys = [key for page in walk(ALL, rows=4) for key in page]

    assert len(keys) == len(set(keys)) == 14


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"payments", "search", "ledger"}),
        ("service=payments", {"payments"}),
        ("verdict=bad", {"ledger"}),
        ("verdict=slow", {"search"}),
        ("class=timeout", {"ledger"}),
        ("class=dns_error", set()),
        ("region=seoul", {"search"}),
        ("window=1h", {"payments", "search"}),
        ("until=2025-03-10T11:00", {"ledger"}),
        ("around=2025-03-10T10:05", {"ledger"}),
        ("around=2025-03-10T10:20", set()),
        ("service=LEDG", {"ledger"}),
        ("service=r", {"ledger", "search"}),
        ("service=Pay", {"payments"}),
        ("service=nothing", set()),
    ],
)
def test_filters_choose_what_they_say(viewer: Person, query: Any, found: Any) -> None:
    for name in ("payments", "search", "ledger"):
        make_service(name, name=f"{name}!")
    store(10)
    store(20, "search", "slow", region="seoul")
    store(7200, "ledger", "bad")
    with time_machine.travel(NOW, tick=False):
        page = viewer.client.get(f"/admin/checks/?{query}")

    assert {row.check.service_id for row in page.context["rows"]} == found


def test_a_wrong_time_is_said_and_a_wrong_key_is_the_first_page(viewer: Person) -> None:
    assert "not a date and time" in viewer.client.get("/admin/checks/?until=soon").content.decode()
    assert viewer.client.get("/admin/checks/?after=nonsense&before=1.2").status_code == 200


def test_what_takes_too_long_is_given_up_in_words(viewer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: Any, **__: Any) -> None:
        raise TooMuch

    monkeypatch.setattr(check_search, "read", give_up)

    page = viewer.client.get("/admin/checks/")

    assert page.status_code == 200
    assert "The search took too long" in page.content.decode()


def test_the_database_gives_up_after_the_time_that_a_page_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_search, "TIMEOUT_MS", 50)
    slow = WatchServerLog.objects.extra(select={"nap": "pg_sleep(2)"})
    store(10)

    with pytest.raises(TooMuch):
        check_search._bounded(slow)

    assert WatchServerLog.objects.count() == 1, "the connection can be used again"


def test_list_takes_the_same_queries_for_many_checks_as_for_few(
    viewer: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with time_machine.travel(NOW, tick=False):
        viewer.client.get("/admin/checks/?service=payments")
        for seconds in range(200):
            store(seconds)
        with django_assert_num_queries(
            10
        ):  # session, user, names, page in a savepoint of bounded time, compressed days, services
            viewer.client.get("/admin/checks/?service=payments")


def test_one_check_is_shown_with_its_requests_its_service_and_the_change_it_began(viewer: Person) -> None:
    service = make_service("payments")
    check = store(10, verdict="bad", response_time=5000, dns_ms=3)
    for hop, after in ((0, 5), (1, 2400)):
        ApiResponseTime(
            service_id="payments",
            region="default",
            measured_at=check.checked_at + timedelta(milliseconds=after),
            hop=hop,
            response_time=2400,
            is_success=False,
            is_final=hop == 1,
            endpoint="http://payments.example/moved" if hop else None,
        ).save(force_insert=True)
    Transition.objects.create(
        service=service, from_status="o", to_status="mo", cause="failed", edge_end_at=check.checked_at, created_at=NOW
    )

    page = viewer.client.get(f"/admin/checks/{Key.of(check)}/").content.decode()

    assert "no answer within 5 s" in page
    assert "GET http://payments.example/health" in page, "the service's own address"
    assert "GET http://payments.example/moved" in page
    assert "<strong>Down</strong>" in page
    assert 'href="/admin/services/payments/"' in page


def test_a_check_is_shown_only_with_the_change_that_it_began(viewer: Person) -> None:
    service = make_service("payments")
    bad, good = store(20, verdict="bad"), store(10)
    outage = {"from_status": "o", "to_status": "mo", "cause": "failed", "edge_end_at": bad.checked_at}
    recovery = {"from_status": "mo", "to_status": "o", "cause": "recovered", "edge_start_at": bad.checked_at}
    Transition.objects.create(service=service, **outage, created_at=NOW)
    Transition.objects.create(service=service, **recovery, edge_end_at=good.checked_at, created_at=NOW)

    of_bad = viewer.client.get(f"/admin/checks/{Key.of(bad)}/").content.decode()
    of_good = viewer.client.get(f"/admin/checks/{Key.of(good)}/").content.decode()

    assert "→ <strong>Down</strong>" in of_bad and "→ <strong>Operational</strong>" not in of_bad
    assert "→ <strong>Operational</strong>" in of_good and "→ <strong>Down</strong>" not in of_good


@pytest.mark.parametrize("key", ["1.payments.default", "x.payments.default", "99999999999999999999.a.b", "1.a"])
def test_a_key_that_leads_nowhere_is_not_found(viewer: Person, key: Any) -> None:
    assert viewer.client.get(f"/admin/checks/{key}/").status_code == 404
