"""The ledger over HTTP: for people, as JSON and as CSV, and that all figures of one window are one figure."""

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person
from incidents.models import AffectedService
from incidents.tests.factories import make_incident
from monitoring.accounting import amendments, rollup
from monitoring.accounting.today import refresh_today
from monitoring.catalogue import lifecycle
from monitoring.engine import recording
from monitoring.models import AccountingPolicy, MaintenanceWindow, Restatement, Service, Span, UptimeRecord
from monitoring.rules.sla import Kind
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

HOUR, DAY_S = 3600, 86_400
NOW = START + timedelta(days=3, hours=1)
FROM_TO = "?from=2025-03-10&to=2025-03-11"


@pytest.fixture
def service() -> Service:
    """A service that was down from 01:00 to 02:00, silent from 10:00 to 11:00, and down over the next midnight."""
    service = make_service(check_interval=300_000)
    Service.objects.filter(id=service.id).update(created_at=START - timedelta(days=9))
    check(-600, HOUR)
    check(HOUR, 2 * HOUR, "bad")
    check(2 * HOUR, 10 * HOUR)
    check(11 * HOUR, DAY_S - 300)
    check(DAY_S - 300, DAY_S + 600, "bad")
    check(DAY_S + 600, 3 * DAY_S + HOUR + 300)
    return service


def check(start: int, end: int, verdict: str = "ok") -> None:
    batch = [make_result(s, verdict, interval_ms=300_000) for s in range(start, end, 300)]
    recording.record(batch, START + timedelta(days=4))


@pytest.fixture
def get(client: Client) -> Callable[..., Any]:
    def fetch(path: str, **headers: str) -> Any:
        with time_machine.travel(NOW, tick=False):
            return client.get(path, headers=headers)

    return fetch


def words_of(response: Any) -> str:
    body = re.search(r"<main.*</main>", response.content.decode(), re.DOTALL)[0]
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def rows_of(response: Any) -> list[dict[str, str]]:
    text = response.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_intervals_sum_to_the_window(service: Service, get: Any) -> None:
    document = get(f"/services/payments/ledger.json{FROM_TO}").json()

    lengths = [interval["seconds"] for interval in document["intervals"]]
    assert sum(lengths) == sum(document["seconds"].values()) == 2 * DAY_S
    ends = [interval["to"] for interval in document["intervals"]]
    assert ends[:-1] == [interval["from"] for interval in document["intervals"]][1:]
    assert (document["from"], ends[-1]) == ("2025-03-10T00:00:00Z", document["to"])


def test_an_outage_tells_last_good_first_bad_and_class(service: Service, get: Any) -> None:
    document = get(f"/services/payments/ledger.json{FROM_TO}").json()

    outage = next(interval for interval in document["intervals"] if interval["kind"] == "down")
    assert (outage["last_good_at"], outage["first_bad_at"]) == ("2025-03-10T00:55:00Z", "2025-03-10T01:00:00Z")
    assert (outage["cause"], outage["seconds"]) == ("connection_error", HOUR)


def test_an_outage_over_midnight_confirmed_after_it_is_one_interval_and_counts_in_both_days(
    service: Service, get: Any
) -> None:
    document = get(f"/services/payments/ledger.json{FROM_TO}").json()

    assert [i["seconds"] for i in document["intervals"] if i["kind"] == "down"] == [HOUR, 900]
    assert [day["seconds"]["down"] for day in document["days"]] == [HOUR + 300, 600]


def test_page_ledger_json_csv_and_stored_days_are_one_figure(
    service: Service, get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statuspage import front
    from statuspage.tests.cast import reading_keeper

    monkeypatch.setattr(front, "keeper", reading_keeper())
    for back in range(90):
        rollup.roll_up((NOW - timedelta(days=back)).date(), ["payments"], NOW, UTC)

    page = get("/").content.decode()
    ledger = get("/services/payments/ledger")
    document = get("/services/payments/ledger.json").json()
    rows = rows_of(get("/services/payments/ledger.csv"))

    stored = {kind: sum(UptimeRecord.objects.values_list(f"{kind}_s", flat=True)) for kind in Kind}
    assert document["seconds"] == stored
    in_csv = {kind: sum(int(row["seconds"]) for row in rows if row["kind"] == kind) for kind in Kind}
    assert in_csv == stored
    up, down = stored[Kind.OPERATIONAL] + stored[Kind.PARTIAL], stored[Kind.DOWN]
    hundredths = up * 10_000 // (up + down)
    figure = f"{hundredths // 100}.{hundredths % 100:02}"
    assert document["figures"]["uptime"] == figure
    assert re.search(r'href="/services/payments/ledger">(.*?) %</a>', page)[1] == figure
    assert f"Uptime {figure} %" in words_of(ledger)
    assert [day["uptime"] for day in document["days"]] == [
        None if percentage is None else str(percentage)
        for percentage in UptimeRecord.objects.order_by("date").values_list("uptime_percentage", flat=True)
    ]


def test_the_figure_in_the_admin_is_that_of_the_ledger_it_links_to(
    service: Service, get: Any, admin_client: Any
) -> None:
    for back in range(30):
        rollup.roll_up((NOW - timedelta(days=back)).date(), ["payments"], NOW, UTC)

    with time_machine.travel(NOW, tick=False):
        listed = admin_client.get("/admin/monitoring/service/").content.decode()

    address, figure = re.search(
        r'href="(/services/payments/ledger\?[^"]*)" class="admin-number">(.*?) %</a>', listed
    ).groups()
    address = html.unescape(address)
    assert address == "/services/payments/ledger?from=2025-02-12&to=2025-03-13"
    assert get(address.replace("ledger?", "ledger.json?")).json()["figures"]["uptime"] == figure == "98.27"


def test_ledger_shows_figures_with_bounds_and_the_sum(service: Service, get: Any) -> None:
    text = words_of(get("/services/payments/ledger?from=2025-03-10&to=2025-03-10"))

    assert "10 March 2025" in text
    assert "Uptime 95.31 %" in text and "Coverage 96.35 %" in text
    assert "connection failed" in text and "no check arrived" in text
    assert "+" in text and "= 24 h (" in text and "= 86400 s)" in text
    assert "A service is down after 2 failed checks in a row, counted from the first of them." in text


def test_ledger_speaks_korean(service: Service, get: Any) -> None:
    text = words_of(get("/services/payments/ledger?from=2025-03-10&to=2025-03-10", accept_language="ko"))

    assert "2025년 3월 10일" in text and "가동률 95.31 %" in text and "연결 실패" in text


def test_texts_of_errors_are_for_people_who_are_signed_in(
    service: Service, get: Any, client: Client, django_user_model: Any
) -> None:
    secret = "connection refused by 10.0.0.5:443"
    everything = [get(f"/services/payments/ledger{kind}{FROM_TO}").content.decode() for kind in ("", ".json", ".csv")]
    assert not [text for text in everything if secret in text]

    assert "/admin/checks/" not in everything[0]

    client.force_login(django_user_model.objects.create_user("kim", "kim@example.com"))

    page = get(f"/services/payments/ledger{FROM_TO}").content.decode()
    assert secret in page
    raw_checks = "/admin/checks/?service=payments&window=7d&until=2025-03-12T00%3A00%3A00%2B00%3A00"
    assert raw_checks in html.unescape(page)


def restate_second_hour(service: Service) -> None:
    Restatement.objects.create(
        service=service,
        since=START + timedelta(hours=1),
        until=START + timedelta(hours=2),
        restated_as="operational",
        reason="our firewall",
        proposed_at=NOW,
        decided_at=NOW,
        is_approved=True,
    )


def test_restated_and_measured_are_both_shown(service: Service, get: Any) -> None:
    restate_second_hour(service)

    day = "?from=2025-03-10&to=2025-03-10"
    document = get(f"/services/payments/ledger.json{day}").json()
    rows = rows_of(get(f"/services/payments/ledger.csv{day}"))
    text = words_of(get(f"/services/payments/ledger{day}"))

    assert (document["seconds"]["down"], document["as_measured"]["seconds"]["down"]) == (300, HOUR + 300)
    assert {row["reading"] for row in rows} == {"published", "measured"}
    assert "As published 99.63 % As measured 95.31 %" in text
    assert "restated as Operational, approved 2025-03-13 01:00:00 UTC. “our firewall”" in text
    assert document["restatements"] == [
        {
            "from": "2025-03-10T01:00:00Z",
            "to": "2025-03-10T02:00:00Z",
            "as": "operational",
            "reason": "our firewall",
            "proposed_at": "2025-03-13T01:00:00Z",
            "decided_at": "2025-03-13T01:00:00Z",
            "is_self_approved": False,
        }
    ]


SECOND_HOUR = {"since": START + timedelta(hours=1), "until": START + timedelta(hours=2)}
DAY = "?from=2025-03-10&to=2025-03-10"


def test_an_outage_that_maintenance_took_out_afterwards_is_shown_with_when_it_was_entered(
    service: Service, get: Any, admin: Person
) -> None:
    window = MaintenanceWindow(service=service, reason="upgrade", **SECOND_HOUR)
    amendments.keep_span(window, by=admin.user, now=NOW - timedelta(hours=1), zone=UTC)

    document, text = (
        get(f"/services/payments/ledger.json{DAY}").json(),
        words_of(get(f"/services/payments/ledger{DAY}")),
    )

    assert (document["seconds"]["down"], document["seconds"]["maintenance"]) == (300, HOUR)
    assert document["as_measured"]["seconds"]["down"] == HOUR + 300
    assert document["entered_late"] == [
        {
            "kind": "maintenance",
            "from": "2025-03-10T01:00:00Z",
            "to": "2025-03-10T02:00:00Z",
            "seconds": HOUR,
            "is_withdrawn": False,
            "is_counted": False,
            "entered_at": "2025-03-13T00:00:00Z",
            "reason": "upgrade",
        }
    ]
    assert [i["seconds"] for i in document["intervals"] if i["cause"] == "entered_late"] == [HOUR]
    assert "As published 99.62 % As measured 95.31 %" in text
    assert "Maintenance, entered too late to be announced; on 2025-03-13 00:00:00 UTC. “upgrade”" in text
    assert "admin" not in text


def test_who_is_signed_in_reads_who_entered_and_approved_it(
    service: Service, get: Any, admin: Person, client: Client
) -> None:
    window = MaintenanceWindow(service=service, reason="upgrade", **SECOND_HOUR)
    amendments.keep_span(window, by=admin.user, now=NOW, zone=UTC)
    restate_second_hour(service)
    Restatement.objects.update(proposed_by=admin.user, decided_by=admin.user, is_self_approved=True)
    client.force_login(admin.user)

    text = words_of(get(f"/services/payments/ledger{DAY}"))

    assert f"on 2025-03-13 01:00:00 UTC by {admin.user.username}." in text
    assert f"proposed by {admin.user.username}, approved by {admin.user.username}" in text
    assert "proposed and approved by the same person because there was no other admin" in text


def test_maintenance_that_was_announced_is_plain_maintenance(service: Service, get: Any) -> None:
    amendments.keep_span(MaintenanceWindow(service=service, **SECOND_HOUR), now=START, zone=UTC)

    document, text = (
        get(f"/services/payments/ledger.json{DAY}").json(),
        words_of(get(f"/services/payments/ledger{DAY}")),
    )

    assert (document["seconds"]["maintenance"], document["as_measured"], document["entered_late"]) == (HOUR, None, [])
    assert "Corrected afterwards" not in text


def test_by_policy_late_maintenance_counts_as_measured_and_is_still_named(service: Service, get: Any) -> None:
    AccountingPolicy.objects.create(name="standard", version=2, effective_on=START.date(), maintenance_notice_hours=24)
    amendments.keep_span(MaintenanceWindow(service=service, **SECOND_HOUR), now=START, zone=UTC)

    document, text = (
        get(f"/services/payments/ledger.json{DAY}").json(),
        words_of(get(f"/services/payments/ledger{DAY}")),
    )

    assert (document["seconds"]["down"], document["seconds"]["maintenance"]) == (HOUR + 300, 0)
    assert (document["as_measured"], [late["is_counted"] for late in document["entered_late"]]) == (None, [True])
    assert "Maintenance, entered too late and not counted" in text
    assert "Maintenance counts as announced if it was entered at least 24 hours before it begins." in text
    assert "Maintenance and pauses entered or changed later are accounted as measured." in text


def test_to_shorten_a_window_that_is_over_shows_what_it_had_said(service: Service, get: Any) -> None:
    amendments.keep_span(window := MaintenanceWindow(service=service, **SECOND_HOUR), now=START, zone=UTC)
    window.until = START + timedelta(hours=1, minutes=10)
    amendments.keep_span(window, now=NOW, zone=UTC)

    document, text = (
        get(f"/services/payments/ledger.json{DAY}").json(),
        words_of(get(f"/services/payments/ledger{DAY}")),
    )

    assert (document["seconds"]["down"], document["as_measured"]["seconds"]["down"]) == (3_300, 300)
    assert [(late["is_withdrawn"], late["seconds"]) for late in document["entered_late"]] == [(True, 3_000)]
    assert "Maintenance, withdrawn afterwards" in text


def test_figures_of_before_are_shown_with_what_changed_them(service: Service, get: Any) -> None:
    with time_machine.travel(NOW - timedelta(hours=2), tick=False):
        rollup.roll_up(START.date(), ["payments"], NOW, UTC)
    amendments.keep_span(MaintenanceWindow(service=service, **SECOND_HOUR), now=NOW - timedelta(hours=1), zone=UTC)
    with time_machine.travel(NOW, tick=False):
        rollup.roll_up(START.date(), ["payments"], NOW, UTC)
        rollup.roll_up(START.date(), ["payments"], NOW, UTC)

    document, text = (
        get(f"/services/payments/ledger.json{DAY}").json(),
        words_of(get(f"/services/payments/ledger{DAY}")),
    )

    [earlier] = document["earlier_figures"]
    assert (earlier["date"], earlier["until"]) == ("2025-03-10", "2025-03-13T01:00:00Z")
    assert (earlier["cause"], earlier["uptime"], earlier["seconds"]["down"]) == ("maintenance", "95.31", HOUR + 300)
    assert "uptime was 95.31 % until 2025-03-13 01:00:00 UTC; then maintenance was entered or changed." in text


def test_downtime_says_its_bounds_where_they_lie_apart(service: Service, get: Any) -> None:
    document, text = (
        get(f"/services/payments/ledger.json{FROM_TO}").json(),
        words_of(get(f"/services/payments/ledger{FROM_TO}")),
    )
    rows = rows_of(get(f"/services/payments/ledger.csv{FROM_TO}"))

    bounds = [(i["at_least_s"], i["seconds"], i["at_most_s"]) for i in document["intervals"] if i["kind"] == "down"]
    assert bounds == [(HOUR - 300, HOUR, HOUR + 300), (600, 900, 1200)]
    assert document["down"] == {"at_least_s": HOUR + 300, "at_most_s": HOUR + 1500}
    assert [row["at_least_s"] for row in rows if row["kind"] == "down"] == [str(HOUR - 300), "600"]
    assert "at least 10 min and at most 20 min" in text
    assert "Down at least 1 h 05 min and at most 1 h 25 min, because nothing is measured between two checks." in text


def test_downtime_whose_bounds_lie_close_says_nothing_of_them(get: Any) -> None:
    service = make_service(check_interval=60_000)
    Service.objects.filter(id=service.id).update(created_at=START)
    batch = [
        make_result(s, "bad" if HOUR <= s < 2 * HOUR else "ok", interval_ms=60_000) for s in range(0, 3 * HOUR, 60)
    ]
    recording.record(batch, START + timedelta(days=4))

    text = words_of(get(f"/services/payments/ledger{DAY}"))

    assert "Down 1 h" in text and "at least" not in text


def test_blind_time_names_its_cause(service: Service, get: Any) -> None:
    Span.objects.create(kind="blind", since=START + timedelta(hours=10), until=START + timedelta(hours=11))

    assert "our own network failed" in words_of(get(f"/services/payments/ledger{FROM_TO}"))


def test_only_the_time_that_was_blind_or_restated_names_that_cause(service: Service, get: Any) -> None:
    Span.objects.create(kind="blind", since=START + timedelta(hours=10, minutes=30), until=START + timedelta(hours=11))
    restate_second_hour(service)

    found = get("/services/payments/ledger.json?from=2025-03-10&to=2025-03-10").json()["intervals"]

    assert [(i["from"][11:19], i["kind"], i["cause"]) for i in found[:6]] == [
        ("00:00:00", "operational", None),
        ("01:00:00", "operational", "restated"),
        ("02:00:00", "operational", None),
        ("10:07:30", "unknown", "no_checks"),
        ("10:30:00", "unknown", "blind"),
        ("11:00:00", "operational", None),
    ]
    assert sum(i["seconds"] for i in found) == DAY_S


def test_an_outage_that_only_late_checks_show_has_a_cause_of_its_own(get: Any) -> None:
    service = make_service(check_interval=300_000)
    Service.objects.filter(id=service.id).update(created_at=START - timedelta(days=9))
    check(-600, HOUR)
    check(HOUR, 2 * HOUR, "bad")
    check(2 * HOUR, 5 * HOUR)
    check(6 * HOUR, 7 * HOUR)
    check(5 * HOUR, 6 * HOUR, "bad")  # late, and reported afterwards

    found = get("/services/payments/ledger.json?from=2025-03-10&to=2025-03-10").json()["intervals"]

    outages = [(i["from"][11:16], i["first_bad_at"], i["cause"]) for i in found if i["kind"] == "down"]
    assert outages == [
        ("01:00", "2025-03-10T01:00:00Z", "connection_error"),
        ("05:00", "2025-03-10T05:00:00Z", "connection_error"),
    ]


def test_thresholds_that_are_changed_leave_the_ledger_of_days_that_are_over_as_it_was(
    service: Service, get: Any
) -> None:
    rollup.roll_up(START.date(), ["payments"], NOW, UTC)
    day = "?from=2025-03-10&to=2025-03-10"
    before = get(f"/services/payments/ledger.json{day}").json()

    Service.objects.update(failure_threshold=20, recovery_threshold=3)

    assert get(f"/services/payments/ledger.json{day}").json() == before
    assert "2 failed checks in a row" in words_of(get(f"/services/payments/ledger{day}"))


def test_ledger_of_today_says_that_other_rules_count_from_tomorrow(service: Service, get: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        refresh_today(NOW, UTC)
    day, words = "?from=2025-03-13&to=2025-03-13", "The new rules apply to figures from tomorrow on."
    assert words not in words_of(get(f"/services/payments/ledger{day}"))

    Service.objects.update(failure_threshold=20)

    text = words_of(get(f"/services/payments/ledger{day}"))
    assert words in text and "2 failed checks in a row" in text


def test_ledger_states_the_thresholds_of_the_service(service: Service, get: Any) -> None:
    Service.objects.update(failure_threshold=20)

    day = "?from=2025-03-13&to=2025-03-13"
    text = words_of(get(f"/services/payments/ledger{day}"))
    document = get(f"/services/payments/ledger.json{day}").json()

    assert "A service is down after 20 failed checks in a row" in text
    assert "This service has its own thresholds, which differ from the policy" in text
    assert [(p["failure_threshold"], p["recovery_threshold"]) for p in document["policies"]] == [(20, 1)]


def test_incident_touching_an_outage_is_named_in_the_file_and_no_formula(service: Service, get: Any) -> None:
    incident = make_incident(
        title="=HYPERLINK(1)", started_at=START + timedelta(hours=1), resolved_at=NOW, status="resolved"
    )
    AffectedService.objects.create(incident=incident, service=service)

    response = get(f"/services/payments/ledger.csv{FROM_TO}")

    assert response.content.startswith(b"\xef\xbb\xbf")
    outage = next(row for row in rows_of(response) if row["kind"] == "down")
    assert outage["incidents"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠A1"])
def test_no_cell_begins_like_a_formula(title: str) -> None:
    from statuspage.ledger.export import _safe

    assert _safe(title) == f"'{title}"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?from=2025-03-11&to=2025-03-10", "ends before it begins"),
        ("?from=yesterday", "“from” is not a date"),
        ("?to=2025-02-30", "“to” is not a date"),
        ("?from=0001-01-01T00:00:00%2B14:00", "“from” is not a date"),
        ("?to=0001-01-05", "“to” is not a date"),
        ("?to=9999-12-31", "“to” is not a date"),
        ("?from=2023-01-01&to=2025-03-01", "longer than 400 days"),
        ("?from=2026-01-01&to=2026-01-02", "begins in the future"),
    ],
)
@pytest.mark.parametrize("kind", ["", ".json", ".csv"])
def test_a_bad_window_is_refused_in_words(service: Service, get: Any, query: str, words: str, kind: str) -> None:
    response = get(f"/services/payments/ledger{kind}{query}")

    assert response.status_code == (422 if kind == ".json" else 400)
    assert words in response.content.decode().encode().decode("unicode_escape" if kind == ".json" else "utf-8")


@pytest.mark.parametrize("kind", ["", ".json", ".csv"])
def test_unknown_service_is_not_found(get: Any, kind: str) -> None:
    assert get(f"/services/nobody/ledger{kind}").status_code == 404


def test_programs_are_refused_in_the_form_of_the_api(service: Service, get: Any) -> None:
    window, missing = get("/services/payments/ledger.json?from=yesterday"), get("/services/nobody/ledger.json")

    assert [answer.json()["error"]["code"] for answer in (window, missing)] == ["VALIDATION_FAILED", "NOT_FOUND"]
    assert window.json()["error"]["details"]["problems"][0]["field"] == "from"
    assert window.json()["error"]["trace_id"] == window.headers["X-Trace-Id"]
    assert "X-Processing-Time" in get(f"/services/payments/ledger.json{FROM_TO}").headers


def test_archived_service_keeps_its_ledger(service: Service, get: Any) -> None:
    Service.objects.filter(id="payments").update(archived_at=START + timedelta(days=1), is_active=False)

    document = get(f"/services/payments/ledger.json{FROM_TO}").json()

    assert document["days"][1]["seconds"]["paused"] == DAY_S


def test_pauses_and_removals_hold_from_when_they_are_made_and_are_not_late(get: Any) -> None:
    make_service()
    Service.objects.update(created_at=START)
    lifecycle.pause(["payments"], author=None, reason="moving", now=START + timedelta(hours=3, milliseconds=400))
    lifecycle.resume(["payments"], now=START + timedelta(hours=4))
    lifecycle.archive(["payments"], now=START + timedelta(hours=5))
    lifecycle.restore(["payments"], now=START + timedelta(hours=6))

    document = get(f"/services/payments/ledger.json{DAY}").json()

    assert (document["seconds"]["paused"], document["entered_late"], document["as_measured"]) == (2 * HOUR, [], None)


def test_days_are_as_long_as_the_zone_makes_them(get: Any, settings: Settings) -> None:
    from zoneinfo import ZoneInfo

    settings.PAGE_TIME_ZONE = ZoneInfo("America/New_York")
    service = make_service()
    Service.objects.filter(id=service.id).update(created_at=START - timedelta(days=9))

    document = get("/services/payments/ledger.json?from=2025-03-09&to=2025-03-10").json()

    assert [sum(day["seconds"].values()) for day in document["days"]] == [23 * HOUR, 24 * HOUR]


@pytest.mark.parametrize("days", [1, 90, 400])
def test_number_of_queries_does_not_depend_on_the_window(
    service: Service, get: Any, django_assert_num_queries: DjangoAssertNumQueries, days: int
) -> None:
    first = date(2025, 3, 12) - timedelta(days=days - 1)

    with django_assert_num_queries(11):
        get(f"/services/payments/ledger?from={first}&to=2025-03-12")


def test_policy_is_stated_in_words(get: Any) -> None:
    text = words_of(get("/policies/standard/1"))

    assert "Policy standard, version 1 In force from the beginning." in text
    assert "Maintenance counts neither as up nor as down." in text
    assert "Maintenance counts as announced only for the time after it was entered." in text
    assert "entered or changed later are excluded, and the ledger shows both figures." in text
    assert get("/policies/standard/99").status_code == 404


def test_language_is_switched_on_the_spot_and_never_leads_away(service: Service, get: Any) -> None:
    content = get(f"/services/payments/ledger{FROM_TO}").content.decode()
    link = html.unescape(re.search(r'href="(/\?lang=ko[^"]*)"', content)[1])

    assert get(link).headers["Location"] == f"/services/payments/ledger{FROM_TO}"
    assert get("/?lang=ko&next=https://evil.example/").headers["Location"] == "/"
    assert get("/?lang=ko&next=//evil.example/").headers["Location"] == "/"
