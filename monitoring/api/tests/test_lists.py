"""Lists over the API: pages by key that nothing shifts, filters that refuse what they do not know, few queries."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person
from monitoring.api.tests.api_client import Program, error_of, fields_of
from monitoring.engine import recording
from monitoring.models import Service, ServiceState, Transition
from monitoring.tests.factories import START, make_checked, make_result, make_service

pytestmark = pytest.mark.django_db
NOW = START + timedelta(hours=1)


@pytest.fixture(autouse=True)
def no_limit(settings: Settings) -> Iterator[None]:
    settings.API_RATE_LIMIT = 0
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def program(viewer: Person) -> Program:
    return Program.of(viewer)


def pages(program: Program, path: str, **query: object) -> Iterator[list[dict]]:
    """Follow the cursors to the end."""
    cursor = ""
    while True:
        asked = "&".join(f"{name}={value}" for name, value in {**query, "cursor": cursor}.items())
        page = program.get(f"{path}?{asked}").json()
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def make_services(count: int, **fields: object) -> None:
    for number in range(count):
        make_service(f"s{number:03}", **fields)


def check(start: int, end: int, verdict: str = "ok", service_id: str = "payments", **fields: object) -> None:
    batch = [make_result(second, verdict, service_id, **fields) for second in range(start, end, 60)]
    recording.record(batch, NOW + timedelta(hours=1))


# --- Services and states ------------------------------------------------------------------------------------------


def test_pages_of_services_are_all_services_once(program: Any) -> None:
    make_services(25)

    found = [[each["id"] for each in page] for page in pages(program, "services", limit=10)]

    assert [len(page) for page in found] == [10, 10, 5]
    assert [id for page in found for id in page] == [f"s{number:03}" for number in range(25)]


def test_a_page_stays_where_it_is_when_services_come_and_go(program: Any) -> None:
    make_services(20)
    following = pages(program, "services", limit=10)

    first = next(following)
    make_service("a-new-one-before")
    make_service("s0095")
    Service.objects.filter(id="s005").delete()
    second = next(following)

    assert [each["id"] for each in first] == [f"s{number:03}" for number in range(10)]
    assert [each["id"] for each in second] == ["s0095", *(f"s{number:03}" for number in range(10, 19))]


def test_the_next_page_is_linked(program: Any) -> None:
    make_services(3)

    response = program.get("services?limit=2&is_active=true")

    link = response.headers["Link"]
    assert link.startswith("<http://testserver/api/v1/services?") and link.endswith('>; rel="next"')
    assert "is_active=true" in link and f"cursor={response.json()['next_cursor']}" in link
    rest = program.get(link[1 : link.index(">")].removeprefix("http://testserver/api/v1/"))
    assert [each["id"] for each in rest.json()["items"]] == ["s002"] and "Link" not in rest.headers


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=mo", ["down"]),
        ("status=o", ["up"]),
        ("status=nd", ["grouped", "paused", "silent", "tagged", "tcp"]),
        ("group=Money", ["grouped"]),
        ("group=", ["down", "paused", "silent", "tagged", "tcp", "up"]),
        ("tag=core", ["tagged"]),
        ("kind=tcp", ["tcp"]),
        ("is_active=false", ["paused"]),
        ("is_archived=true", ["gone"]),
        ("tag=core&kind=tcp", []),
    ],
)
def test_services_are_filtered(program: Any, query: Any, found: Any) -> None:
    make_checked("down", "mo")
    make_checked("up", "o")
    make_checked("silent", "o")
    ServiceState.objects.filter(service="silent").update(stale_at=NOW)
    make_service("grouped", group_name="Money")
    make_service("tagged", tags=["core", "eu"])
    make_service("tcp", kind="tcp", endpoint_url="tcp://a.example:1")
    make_service("paused", is_active=False)
    make_service("gone", archived_at=NOW)

    assert [each["id"] for each in program.get(f"services?{query}").json()["items"]] == found


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("services?limit=0", "limit"),
        ("services?limit=501", "limit"),
        ("services?limit=many", "limit"),
        ("services?status=fine", "status"),
        ("services?kind=smtp", "kind"),
        ("services?is_active=perhaps", "is_active"),
        ("services?group=%00", "group"),
        ("services?cursor=%00", "cursor"),
        ("services?cursor=nonsense!", "cursor"),
        ("services?cursor=%C3%A9", "cursor"),
        ("services?cursor=YQpi", "cursor"),
        ("services?page=2", "page"),
        ("states?cursor=Cg", "cursor"),
        ("checks?cursor=YQ", "cursor"),
        ("checks?verdict=good", "verdict"),
        ("checks?from=yesterday", "from"),
        ("checks?from=2025-03-10&to=2025-03-09", "to"),
        ("checks?from=2020-01-01", "from"),
        ("transitions?cursor=YQpi", "cursor"),
        ("transitions?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTkKMQ", "cursor"),
        ("transitions?service=No!", "service"),
        ("transitions?colour=red", "colour"),
        ("services/s000/uptime?from=2025-02-30", "from"),
        ("services/s000/percentiles?p=101", "p"),
        ("services/s000/percentiles?p=50,,99", "p"),
        ("services/s000/ledger?to=1", "to"),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_name(program: Any, path: Any, field: Any) -> None:
    make_services(1)

    assert list(fields_of(program.get(path))) == [field]


def test_a_parameter_that_is_misspelt_says_what_is_meant(program: Any) -> None:
    assert "Did you mean status?" in fields_of(program.get("services?staus=mo"))["staus"][0]


@pytest.mark.parametrize("path", ["", "/state", "/checks", "/uptime", "/percentiles", "/ledger"])
def test_a_service_that_is_not_there_is_missing(program: Any, path: Any) -> None:
    assert error_of(program.get(f"services/nobody{path}")) == (404, "SERVICE_NOT_FOUND")


def test_states_tell_how_services_are_and_since_when(program: Any) -> None:
    make_services(2)
    make_service("payments")
    check(0, 600)
    check(600, 1200, "bad")
    check(1200, 3600)

    items = {each["service_id"]: each for page in pages(program, "states", limit=2) for each in page}

    assert list(items) == ["payments", "s000", "s001"]
    now = items["payments"]
    assert (now["status"], now["since"], now["last_verdict"]) == ("o", "2025-03-10T00:20:00Z", "ok")
    assert (now["last_checked_at"], now["last_bad_at"], now["run_checks"]) == (
        "2025-03-10T00:59:00Z", "2025-03-10T00:19:00Z", 40,
    )  # fmt: skip
    assert (items["s000"]["status"], items["s000"]["last_checked_at"]) == ("nd", None)
    assert program.get("services/payments/state").json() == now


def test_a_state_whose_checks_stay_away_is_unknown_at_once(program: Any) -> None:
    make_service("payments")
    check(0, 600)

    assert program.get("services/payments/state").json()["status"] == "nd"
    assert program.get("services/payments").json()["status"] == "nd"
    assert len(program.get("states?status=nd").json()["items"]) == 1
    assert program.get("states?status=o").json()["items"] == []


# --- Checks and transitions -----------------------------------------------------------------------------------------


def test_pages_of_checks_go_back_in_time_and_stay_where_they_are(program: Any) -> None:
    make_service("payments")
    check(0, 1500)
    following = pages(program, "services/payments/checks", limit=10)

    first = next(following)
    check(1500, 1800)
    rest = list(following)

    times = [each["checked_at"] for page in (first, *rest) for each in page]
    assert len(times) == len(set(times)) == 25
    assert times == sorted(times, reverse=True)


def test_a_check_is_told_whole(program: Any) -> None:
    make_service("payments")
    check(0, 60, "bad")

    (found,) = program.get("checks").json()["items"]

    assert len(found.pop("trace_id")) == 32
    assert found == {
        "service_id": "payments",
        "checked_at": "2025-03-10T00:00:00Z",
        "region": "default",
        "verdict": "bad",
        "is_healthy": False,
        "response_time": 40.5,
        "status_code": None,
        "error_type": "connection_error",
        "error_message": "connection refused by 10.0.0.5:443",
        "lateness_ms": 1.5,
        "interval_ms": 60_000,
        "phases": {"dns_ms": 1, "connect_ms": 2, "tls_ms": None, "first_byte_ms": 30, "total_ms": 40.5},
        "is_blind": False,
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 30),
        ("?verdict=bad", 5),
        ("?error_type=connection_error", 5),
        ("?error_type=timeout", 0),
        ("?region=default", 30),
        ("?region=seoul", 0),
        ("?from=2025-03-10T00:05:00Z&to=2025-03-10T00:10:00Z", 5),
        ("?from=2025-03-09&to=2025-03-09", 0),
    ],
)
def test_checks_are_filtered(program: Any, query: Any, count: Any) -> None:
    make_service("payments")
    check(0, 1500)
    check(1500, 1800, "bad")

    for path in ("checks", "services/payments/checks"):
        assert len(program.get(f"{path}{query}").json()["items"]) == count


def test_transitions_tell_edges_newest_first(program: Any) -> None:
    make_service("payments")
    check(0, 600)
    check(600, 1200, "bad")
    check(1200, 1800)

    found = [each for page in pages(program, "transitions", limit=1) for each in page]

    assert [(each["from_status"], each["to_status"], each["cause"]) for each in found] == [
        ("mo", "o", "recovered"),
        ("o", "mo", "failed"),
        ("nd", "o", "measured"),
    ]
    assert (found[1]["edge_start_at"], found[1]["edge_end_at"]) == ("2025-03-10T00:09:00Z", "2025-03-10T00:10:00Z")
    assert found[1]["evidence"]["error_type"] == "connection_error"
    filtered = program.get("transitions?service=payments&to_status=mo").json()["items"]
    assert filtered == [found[1]]
    assert program.get("transitions?service=other").json()["items"] == []


def test_transitions_of_one_instant_are_paged_one_by_one(program: Any) -> None:
    make_service("payments")
    change = {"from_status": "o", "to_status": "mo", "cause": "failed", "edge_end_at": START, "created_at": NOW}
    Transition.objects.bulk_create(Transition(service_id="payments", **change) for _ in range(7))

    found = [each["id"] for page in pages(program, "transitions", limit=2) for each in page]

    assert len(found) == len(set(found)) == 7


# --- Queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 60])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("services", 1),
        ("states", 1),
        ("transitions", 1),
        ("services/s000", 1),
        ("services/s000/state", 1),
        ("services/s000/uptime", 10),
        ("services/s000/percentiles", 7),
        ("services/s000/ledger", 11),
    ],
)
def test_queries_do_not_grow_with_services(
    program: Any, django_assert_num_queries: DjangoAssertNumQueries, path: Any, queries: Any, count: Any
) -> None:
    make_services(count)
    program.get("token")  # its use is noted once a minute

    with django_assert_num_queries(queries + 1):  # and the token
        assert program.get(path).status_code == 200
