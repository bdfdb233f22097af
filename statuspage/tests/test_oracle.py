"""Compare figures over HTTP with a walk, second by second, over checks and spans: slow, obvious, and none of our code.

The scenarios are random with fixed seeds: days of 23 and 25 hours, checks out of order, twice and days late, changed
intervals, gaps, overlapping spans, some of them entered too late, restatements approved after the days were accounted,
a policy changed in between.
"""

import csv
import html
import io
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.tests.cast import Person
from monitoring.accounting import amendments, rollup, rollup_requests
from monitoring.accounting.today import refresh_today
from monitoring.api.tests.api_client import Program
from monitoring.engine import recording
from monitoring.models import AccountingPolicy, Restatement, Service, Span, UptimeRecord
from monitoring.tests.factories import make_result, make_service
from statuspage import front
from statuspage.tests.cast import reading_keeper

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ZONE = ZoneInfo("America/New_York")
KINDS = ("operational", "partial", "down", "unknown", "maintenance", "paused", "empty")
CHANGED = 2  # the day from which on the second version of the policy holds
# Failures, recoveries, weight of partial time, whether maintenance is counted, and whether what is entered too late.
Rules = tuple[int, int, int, bool, bool]
OLD: Rules = (2, 1, 100, False, False)
NEW: Rules = (3, 2, 40, True, True)


@dataclass
class Scenario:
    seed: int
    first: date  # of four days, the last of which is today
    created_at: int = 0
    now: int = 0
    checks: list[tuple[int, str, int]] = field(default_factory=list)  # second, verdict, interval in seconds
    # Kind, from, to, restated as, and when it was entered.
    spans: list[tuple[str, int, int, str, int]] = field(default_factory=list)

    def midnight(self, number: int) -> int:
        return int(datetime.combine(self.first + timedelta(days=number), datetime.min.time(), ZONE).timestamp())


def make_scenario(seed: int, first: date) -> Scenario:
    dice = random.Random(seed)
    made = Scenario(seed=seed, first=first)
    made.created_at = made.midnight(0) + dice.randrange(40_000)
    made.now = made.midnight(3) + dice.randrange(20_000, 50_000)
    second = made.created_at + 60
    while second < made.now - 900:
        interval = dice.choice((300, 600))
        verdict = dice.choice(("ok", "ok", "ok", "slow", "bad"))
        for _ in range(dice.choice((1, 1, 2, 3, 40))):
            if second < made.now - 900:
                made.checks.append((second, verdict, interval))
            second += interval + dice.choice((0, 0, 0, 5, -295))
        second += dice.choice((0, 0, 0, 1_000, 9_000))
    for kind in ("blind", "maintenance", "maintenance", "paused", "restated", "restated", "restated"):
        since = dice.randrange(made.created_at - 5_000, made.now - 20_000)
        until = since + dice.randrange(1, 15_000)
        entered = dice.choice((since - 3_000, dice.randrange(since, until), made.now))
        made.spans.append((kind, since, until, dice.choice(("operational", "partial", "down", "unknown")), entered))
    return made


# --- The oracle -------------------------------------------------------------------------------------------------------


def kinds(made: Scenario, rules: Rules, *, as_measured: bool = False) -> dict[int, str]:
    """Return the kind of each second of the scenario, under the same rules throughout.

    As measured nothing was restated, and entries of people count from the time they were entered.
    """
    found = dict.fromkeys(range(made.midnight(0), made.now), "unknown")
    by_second = {second: (verdict, ceil(2.5 * interval)) for second, verdict, interval in made.checks}
    in_order = sorted(by_second)
    is_down = outages(in_order, by_second, rules)
    for number, second in enumerate(in_order):
        verdict, hold = by_second[second]
        until = min([second + hold, *in_order[number + 1 : number + 2]])
        for each in range(second, min(until, made.now)):
            found[each] = "down" if is_down[second] else "partial" if verdict == "slow" else "operational"
    for layer, kind in (("blind", "unknown"), ("maintenance", "maintenance"), ("paused", "paused"), ("restated", "")):
        for span_kind, since, until, restated_as, entered in made.spans:
            if layer in ("maintenance", "paused") and (rules[4] or as_measured):
                since = max(since, entered)
            if span_kind == layer and not (layer == "maintenance" and rules[3]) and not (as_measured and not kind):
                found |= dict.fromkeys(range(max(since, made.midnight(0)), min(until, made.now)), kind or restated_as)
    return found | dict.fromkeys(range(made.midnight(0), made.created_at), "empty")


def outages(in_order: list[int], by_second: dict[int, tuple[str, int]], rules: Rules) -> dict[int, bool]:
    """Return for each check whether it lies in an outage: failures in a row that are long enough, from the first on."""
    is_down, state, row = dict[int, bool](), False, list[int]()
    for before, second in zip([None, *in_order], in_order, strict=False):
        if before is not None and second - before > by_second[before][1]:
            row = []
        row = [*row, second] if (by_second[second][0] == "bad") is not state else []
        is_down[second] = state
        if len(row) >= rules[1 if state else 0]:
            state = not state
            is_down |= dict.fromkeys(row, state)
            row = []
    return is_down


def expected(made: Scenario, since: int, until: int, both: tuple[dict[int, str], dict[int, str]]) -> dict[str, object]:
    """Return seconds and figures of a window: each day under the rules of the day."""
    change = made.midnight(CHANGED)
    parts = (
        (Counter(both[0][second] for second in range(since, min(until, change, made.now))), OLD),
        (Counter(both[1][second] for second in range(max(since, change), min(until, made.now))), NEW),
    )
    up = sum(100 * seconds["operational"] + rules[2] * seconds["partial"] for seconds, rules in parts)
    total = parts[0][0] + parts[1][0]
    measured = total["operational"] + total["partial"] + total["down"]
    due = measured + total["unknown"]
    return {
        "seconds": {kind: total[kind] for kind in KINDS},
        "figures": {
            "uptime": floored(up, 100 * measured),
            "coverage": floored(measured, due),
            "lower": floored(up, 100 * due),
            "upper": floored(up + 100 * total["unknown"], 100 * due),
        },
    }


def floored(part: int, whole: int) -> str | None:
    if whole == 0:
        return None
    digits = f"{part * 10_000 // whole:03}"
    return f"{digits[:-2]}.{digits[-2:]}"


# --- The monitor ------------------------------------------------------------------------------------------------------


def live_through(made: Scenario, who: User) -> None:
    """Replay the scenario: most checks in time, the rest days late; spans and restatements when days are accounted."""
    service = make_service(check_interval=300_000)
    Service.objects.update(created_at=at(made.created_at))
    rules = dict(zip(("failure_threshold", "recovery_threshold", "partial_weight_percent"), NEW, strict=False))
    AccountingPolicy.objects.create(
        name="standard",
        version=2,
        effective_on=made.first + timedelta(days=CHANGED),
        counts_maintenance=NEW[3],
        late_maintenance="count" if NEW[4] else "restate",
        **rules,
    )
    for kind, since, until, _restated_as, entered in made.spans:
        if kind != "restated" and entered < made.now:
            keep_span(service, kind, since, until, entered)
    dice = random.Random(made.seed)
    late = [check for check in made.checks if dice.random() < 0.1]
    for number in range(4):
        until = made.midnight(number + 1) if number < 3 else made.now
        record([c for c in made.checks if c not in late and made.midnight(number) <= c[0] < until], dice, now=until)
        refresh_today(at(until - 30), ZONE)
        account(at(until + 700))
    for kind, since, until, restated_as, entered in made.spans:
        if kind == "restated":
            values = {"since": at(since), "until": at(until), "restated_as": restated_as, "reason": "a review"}
            row = Restatement.objects.create(service=service, proposed_at=at(made.now), **values)
            amendments.decide(row, is_approved=True, by=who, now=at(made.now), zone=ZONE)
        elif entered == made.now:
            keep_span(service, kind, since, until, entered)
    record(late, dice, now=made.now)
    account(at(made.now))
    refresh_today(at(made.now), ZONE)


def keep_span(service: Service, kind: str, since: int, until: int, entered: int) -> None:
    span = Span(kind=kind, service=None if kind == "blind" else service, since=at(since), until=at(until))
    amendments.keep_span(span, now=at(entered), zone=ZONE)


def record(checks: list[tuple[int, str, int]], dice: random.Random, *, now: int) -> None:
    """Record checks in batches, somewhat out of order, some of them twice."""
    checks = sorted(
        [*checks, *dice.sample(checks, len(checks) // 10)], key=lambda check: check[0] + dice.random() * 900
    )
    start = datetime(2025, 3, 10, tzinfo=UTC).timestamp()
    for first in range(0, len(checks), 60):
        batch = checks[first : first + 60]
        results = [
            make_result(second - start, verdict, interval_ms=1000 * interval) for second, verdict, interval in batch
        ]
        recording.record(results, at(now))


def account(now: datetime) -> None:
    rollup_requests.plan(now, ZONE)
    while rollup.work_off(now, ZONE):
        pass


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


# --- Both together ----------------------------------------------------------------------------------------------------


def windows(made: Scenario) -> Iterator[tuple[str, int, int]]:
    """Yield requested windows and the seconds that they mean: each day, days in a row, and any seconds."""
    for first, last in ((0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (1, 3)):
        days = [made.first + timedelta(days=number) for number in (first, last)]
        yield f"?from={days[0]}&to={days[1]}", made.midnight(first), made.midnight(last + 1)
    dice = random.Random(made.seed)
    for _ in range(3):
        since, until = sorted(dice.sample(range(made.midnight(0), made.now), 2))
        yield f"?from={at(since):%Y-%m-%dT%H:%M:%SZ}&to={at(until):%Y-%m-%dT%H:%M:%SZ}", since, until


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        (1, date(2025, 3, 7)),
        (2, date(2025, 3, 8)),
        (3, date(2025, 3, 9)),
        (4, date(2024, 11, 1)),
        (5, date(2024, 11, 3)),
    ],
)
def test_all_figures_are_those_of_a_walk_second_by_second(
    seed: int, first: Any, settings: Settings, admin: Person, stranger: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PAGE_TIME_ZONE = ZONE
    monkeypatch.setattr(front, "keeper", reading_keeper())
    made = make_scenario(seed, first)
    both = kinds(made, OLD), kinds(made, NEW)
    as_measured = kinds(made, OLD, as_measured=True), kinds(made, NEW, as_measured=True)
    program = Program.of(admin)

    with time_machine.travel(at(made.now), tick=False):
        live_through(made, admin.user)

        for query, since, until in windows(made):
            truth = expected(made, since, until, both)
            hold_ledger_to(truth, expected(made, since, until, as_measured), stranger.client, query)
            hold_api_to(truth, program, query)
        for number in range(4):
            hold_row_to(expected(made, made.midnight(number), made.midnight(number + 1), both), made, number)
        hold_page_and_admin_to(expected(made, made.midnight(0), made.now, both), stranger, admin)


def hold_ledger_to(truth: dict[str, object], measured: dict[str, object], client: Client, query: str) -> None:
    document = client.get(f"/services/payments/ledger.json{query}").json()
    as_measured = document["as_measured"] or document
    assert {name: as_measured[name] for name in measured} == measured, query
    assert {name: document[name] for name in truth} == truth, query
    summed = Counter[str]()
    for interval in document["intervals"]:
        summed[interval["kind"]] += interval["seconds"]
    assert {kind: summed[kind] for kind in KINDS} == truth["seconds"], query
    of_days = sum((Counter(day["seconds"]) for day in document["days"]), Counter())
    assert {kind: of_days[kind] for kind in KINDS} == truth["seconds"], query
    text = client.get(f"/services/payments/ledger.csv{query}").content.decode("utf-8-sig")
    in_file = Counter[str]()
    for row in csv.DictReader(io.StringIO(text)):
        in_file[row["kind"]] += int(row["seconds"]) if row["reading"] == "published" else 0
    assert {kind: in_file[kind] for kind in KINDS} == truth["seconds"], query


def hold_api_to(truth: dict[str, object], program: Program, query: str) -> None:
    for name in ("uptime", "ledger"):
        answer = program.get(f"services/payments/{name}{query}").json()
        assert {name: answer[name] for name in truth} == truth, query


def hold_row_to(truth: dict[str, object], made: Scenario, number: int) -> None:
    row = UptimeRecord.objects.get(date=made.first + timedelta(days=number))
    assert {kind: getattr(row, f"{kind}_s") for kind in KINDS} == truth["seconds"], row
    stored = [None if each is None else str(each) for each in (row.uptime_percentage, row.coverage_percentage)]
    assert stored == [truth["figures"][name] for name in ("uptime", "coverage")], row
    assert row.is_settled == (number < 3)


def hold_page_and_admin_to(truth: dict[str, object], stranger: Person, admin: Person) -> None:
    figure = f"{truth['figures']['uptime']} %"
    page = stranger.client.get("/").content.decode()
    assert re.search(r'href="/services/payments/ledger">([^<]*)</a>', page)[1] == figure
    services = html.unescape(admin.client.get("/admin/monitoring/service/").content.decode())
    assert re.search(r'href="/services/payments/ledger\?[^"]*" class="admin-number">([^<]*)</a>', services)[1] == figure
