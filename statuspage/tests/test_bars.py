"""The 90 days of a service: the colour of each, its text, and the figure below them."""

import gzip
import html
import re
from datetime import date, timedelta
from typing import Any

import pytest

from monitoring.models import AccountingPolicy, Service, UptimeRecord
from statuspage.tests.cast import NOW, make_service

TODAY = NOW.date()
DAY_S = 86_400
SECONDS = {"o": {"operational_s": DAY_S}, "po": {"operational_s": DAY_S - 252, "down_s": 252}, "nd": {}, "e": {}}
SECONDS["mo"] = {"operational_s": DAY_S // 2, "down_s": DAY_S // 2}


@pytest.fixture
def service(db: None) -> Service:
    return make_old("Payments")


def make_old(name: str, days: int = 200) -> Service:
    service = make_service(name)
    Service.objects.filter(id=service.id).update(created_at=NOW - timedelta(days=days))
    return service


def store(service: Service, back: int, status: str = "o", **columns: Any) -> UptimeRecord:
    """Store the day so many days before today."""
    values = {"policy": AccountingPolicy.objects.get(name="standard", version=1), **SECONDS[status], **columns}
    return UptimeRecord.objects.create(service=service, date=TODAY - timedelta(days=back), status=status, **values)


def bars_of(response: Any) -> list[str]:
    strip = re.search(r"<svg class=\"bars\".*?</svg>", response.content.decode(), re.DOTALL)[0]
    return re.findall(r"<(?:path|use) class=.*?</(?:path|use)>", strip, re.DOTALL)


def title_of(bar: str) -> list[str]:
    return html.unescape(re.search(r"<title>(.*)</title>", bar, re.DOTALL)[1]).split("\n")


def words_of(response: Any) -> str:
    body = re.search(r"<ul class=\"card services\">.*</main>", response.content.decode(), re.DOTALL)[0]
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


@pytest.mark.parametrize(
    ("status", "columns", "look"),
    [
        ("o", {}, "bar-o"),
        ("po", {}, "bar-po"),
        ("mo", {}, "bar-mo"),
        ("nd", {"unknown_s": DAY_S}, "bar-nd"),
        ("e", {"empty_s": DAY_S}, "bar-e"),
        ("nd", {"maintenance_s": DAY_S}, "bar-m"),
        ("nd", {"paused_s": DAY_S}, "bar-nd"),
    ],
)
def test_each_state_has_a_shape_of_its_own(visit: Any, service: Service, status: str, columns: Any, look: str) -> None:
    store(service, 1, status, **columns)

    assert f'class="{look}"' in bars_of(visit())[-2]


def test_there_are_ninety_bars_and_todays_end_is_open(visit: Any, service: Service) -> None:
    store(service, 0)

    response = visit()

    assert len(bars_of(response)) == 90
    assert f'<g clip-path="url(#open-end)">{bars_of(response)[-1]}</g>' in response.content.decode()


def test_day_without_a_row_is_empty_before_the_service_and_unknown_after(visit: Any, db: None) -> None:
    make_old("Payments", days=10)

    looks = [re.search(r'class="(.*?)"', bar)[1] for bar in bars_of(visit())]

    assert looks == ["bar-e"] * 79 + ["bar-nd"] * 11


def test_bar_tells_its_day_in_words(visit: Any, service: Service) -> None:
    store(service, 3, "po", operational_s=80_000, unknown_s=6_148)

    assert title_of(bars_of(visit())[-4]) == [
        "6 March 2025",
        "Partial outage · 99.68 %",
        "Down 4 min 12 s",
        "92.88 % measured",
    ]


def test_bar_speaks_korean(visit: Any, service: Service) -> None:
    store(service, 0, "po", metadata={"sample": True})

    title = title_of(bars_of(visit(accept_language="ko"))[-1])

    assert title == ["2025년 3월 9일, 오늘 현재까지", "부분 중단 · 99.70 %", "중단 4분 12초", "예시 데이터"]


def test_equal_days_in_a_row_are_said_once(visit: Any, service: Service) -> None:
    for back in range(90):
        store(service, back)

    assert "10 December 2024 – 9 March 2025, today so far: Operational · 100.00 %" in words_of(visit())


def test_figure_is_floored_and_of_all_seconds_together(visit: Any, service: Service) -> None:
    store(service, 0, "mo", operational_s=60, down_s=0, partial_s=0)  # a short day weighs little
    store(service, 1, "po", operational_s=DAY_S - 1, down_s=1)
    store(service, 2, "o")

    text = words_of(visit())

    assert "90 days ago 30 days ago 99.99 % in 90 days today" in text  # 99.99942 %, and the mean of days is higher


def test_days_weigh_partial_time_as_their_own_policy_says(visit: Any, service: Service) -> None:
    half = AccountingPolicy.objects.create(
        name="standard", version=2, effective_on=TODAY, partial_weight_percent=50, reason="half"
    )
    store(service, 1, operational_s=0, partial_s=1000)
    store(service, 0, operational_s=0, partial_s=1000, policy=half)

    assert "75.00 % in 90 days" in words_of(visit())


def test_coverage_is_shown_where_time_is_missing(visit: Any, service: Service) -> None:
    store(service, 1, operational_s=9_000, unknown_s=1_000)

    assert "100.00 % in 90 days 90.00 % measured today" in words_of(visit())


def test_no_data_is_said_in_words(visit: Any, service: Service) -> None:
    assert "30 days ago no data in 90 days today" in words_of(visit())


@pytest.mark.parametrize("count", [63])
def test_page_of_sixty_three_services_stays_small(visit: Any, db: None, count: int) -> None:
    """Each service has its own outages, here seven of ninety days, and gaps."""
    policy = AccountingPolicy.objects.get(name="standard", version=1)
    for number in range(count):
        service = make_old(f"Service {number}")
        UptimeRecord.objects.bulk_create(uneven_days(service, number, policy))

    response = visit(accept_encoding="gzip")

    assert len(response.content) <= 60_000
    assert len(gzip.decompress(response.content)) <= 900_000


def uneven_days(service: Service, number: int, policy: AccountingPolicy) -> list[UptimeRecord]:
    days = []
    for back in range(90):
        down_s = (number * 977 + back * 131) % 4_000 if (back + number) % 13 == 0 else 0
        values = {"operational_s": DAY_S - down_s, "down_s": down_s, "status": "po" if down_s else "o"}
        day: date = TODAY - timedelta(days=back)
        days.append(UptimeRecord(service=service, date=day, policy=policy, **values))
    return days


def test_style_and_script_of_bars_are_files(visit: Any, service: Service) -> None:
    content = visit().content.decode()

    assert "style=" not in content and " onclick" not in content
    assert "bars.css" in content and "bars.js" in content
