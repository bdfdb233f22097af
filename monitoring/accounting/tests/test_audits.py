"""Damaged runs and rows are found and made right from what they were made of, and nothing else is touched."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.accounting import ledger, night_audit, rollup, rollup_requests, run_audit
from monitoring.engine import recording
from monitoring.models import CheckRun, EngineCounter, RollupRequest, Service, ServiceState, UptimeRecord
from monitoring.rules.sla import Kind
from monitoring.states.tests.test_runs_are_raw import Undo
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db

DAY = date(2025, 3, 10)
HOUR = 3600
NOW = START + timedelta(days=3)


def make_old_service(**fields: Any) -> Service:
    service = make_service(check_interval=300_000, **fields)
    Service.objects.update(created_at=START - timedelta(days=2))
    return service


def check(start: float, end: float, verdict: str = "ok", regions: Any = ("default",)) -> None:
    results = [
        make_result(second, verdict, interval_ms=300_000, region=region)
        for second in range(round(start), round(end), 300)
        for region in regions
    ]
    recording.record(results, NOW)


def an_outage(regions: Any = ("default",)) -> None:
    """Two hours of a day are down; the state then is that of a run that goes on for another day."""
    check(-6 * HOUR, 9 * HOUR, regions=regions)
    check(9 * HOUR, 11 * HOUR, "bad", regions)
    check(11 * HOUR, 36 * HOUR, regions=regions)


def runs() -> list[tuple]:
    state = ServiceState.objects.get()
    rows = CheckRun.objects.order_by("first_at").values_list("verdict", "first_at", "last_at", "check_count", "hold_s")
    return [*rows, (state.verdict, state.run_first_at, state.run_last_at, state.run_count, state.run_hold_s)]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


TAMPERINGS = {
    "fewer slots in an outage": "UPDATE check_runs SET check_count = 1 WHERE verdict = 'bad'",
    "a shorter outage": "UPDATE check_runs SET last_at = last_at - interval '1 hour' WHERE verdict = 'bad'",
    "a longer outage": "UPDATE check_runs SET last_at = last_at + interval '4 minutes' WHERE verdict = 'bad'",
    "an outage called good": "UPDATE check_runs SET verdict = 'ok' WHERE verdict = 'bad'",
    "no outage": "DELETE FROM check_runs WHERE verdict = 'bad'",
    "an outage that is known for longer": "UPDATE check_runs SET hold_s = 90000 WHERE verdict = 'bad'",
    "an outage nobody measured": "INSERT INTO check_runs (service_id, verdict, first_at, last_at, check_count, hold_s)"
    " VALUES ('payments', 'bad', '2025-03-10 02:01Z', '2025-03-10 03:01Z', 13, 750)",
    "a run before the day that is too short to decide": "UPDATE check_runs SET check_count = 1"
    " WHERE first_at < '2025-03-10'",
    "an open run that is too short to decide": "UPDATE service_state SET run_count = 1",
    "an open run that began later": "UPDATE service_state SET run_first_at = run_first_at + interval '1 hour'",
    "an open run that is bad": "UPDATE service_state SET verdict = 'bad'",
}


@pytest.mark.parametrize("regions", [("default",), ("a", "b")], ids=["one region", "two regions"])
@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_the_roll_up_of_a_day_finds_runs_that_differ_and_makes_them_right(tampering: Any, regions: Any) -> None:
    make_old_service(regions=list(regions))
    an_outage(regions)
    right = runs()
    execute(tampering)
    assert runs() != right

    rollup.roll_up(DAY, ["payments"], NOW, UTC)

    assert runs() == right
    assert UptimeRecord.objects.get().down_s == 2 * HOUR
    assert EngineCounter.objects.get(name="runs_differed").value == 1


@pytest.mark.parametrize("regions", [("default",), ("a", "b")], ids=["one region", "two regions"])
def test_right_runs_raise_no_alarm(regions: Any) -> None:
    make_old_service(regions=list(regions))
    an_outage(regions)
    check(60, 120, regions=regions)  # between two others, and late

    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
        rollup.roll_up(day, ["payments"], NOW, UTC)
    assert not run_audit.audit("payments", NOW, UTC)

    assert not EngineCounter.objects.filter(name="runs_differed").exists()


def test_two_checks_in_one_second_raise_no_alarm() -> None:
    make_old_service()
    check(0, HOUR)
    two = make_result(HOUR + 0.1, "bad", interval_ms=300_000), make_result(HOUR + 0.9, interval_ms=300_000)
    recording.record(two, NOW)
    check(HOUR + 300, 2 * HOUR)

    rollup.roll_up(DAY, ["payments"], NOW, UTC)

    assert not EngineCounter.objects.filter(name="runs_differed").exists()


def test_a_changed_quorum_raises_no_alarm() -> None:
    service = make_old_service(regions=["a", "b"], quorum=1)
    check(0, HOUR, "bad", ["a"])
    check(HOUR, 2 * HOUR, "ok", ["a", "b"])
    service.quorum = 2
    service.save()
    execute("UPDATE former_regions SET until = '2025-03-10 02:00Z'")
    before = runs()

    rollup.roll_up(DAY, ["payments"], NOW, UTC)

    assert runs() == before
    assert runs()[0][0] == "bad"
    assert not EngineCounter.objects.filter(name="runs_differed").exists()


def test_runs_whose_checks_are_gone_are_kept_with_an_alarm() -> None:
    make_old_service()
    an_outage()
    right = runs()
    execute("DELETE FROM watch_server_logs WHERE checked_at >= '2025-03-10' AND checked_at < '2025-03-11'")

    rollup.roll_up(DAY, ["payments"], NOW, UTC)

    assert runs() == right
    assert EngineCounter.objects.get(name="runs_differed").value == 1


def test_an_audit_of_all_checks_finds_what_no_day_shows() -> None:
    make_old_service()
    an_outage()
    right = runs()
    execute("UPDATE check_runs SET check_count = check_count + 1 WHERE first_at < '2025-03-10'")
    rollup.roll_up(DAY, ["payments"], NOW, UTC)
    assert runs() != right, "on this day more slots of a run that is long enough change no figure"

    assert run_audit.audit("payments", NOW, UTC) is True

    assert runs() == right
    assert run_audit.audit("payments", NOW, UTC) is False


def test_checks_that_are_recorded_during_an_audit_stay_counted() -> None:
    make_old_service()
    an_outage()
    right = runs()
    execute("UPDATE check_runs SET check_count = 1 WHERE verdict = 'bad'")

    assert run_audit.audit("payments", at(30 * HOUR), UTC) is True  # the newest checks are of 36 h

    assert runs() == right


def test_a_stored_day_that_differs_from_the_ledger_is_found_and_accounted_again() -> None:
    make_old_service()
    an_outage()
    work_off()
    UptimeRecord.objects.filter(date=DAY).update(down_s=0, operational_s=86_400, uptime_percentage=100)

    with pytest.raises(night_audit.FiguresDiffer, match="1 stored days differed from the ledger"):
        night_audit.run(NOW)

    assert EngineCounter.objects.get(name="rows_differed").value == 1
    work_off()
    assert UptimeRecord.objects.get(date=DAY).down_s == 2 * HOUR
    night_audit.run(NOW)


def test_a_day_that_waits_to_be_accounted_again_is_no_difference() -> None:
    make_old_service()
    an_outage()
    rollup.roll_up(DAY, ["payments"], NOW, UTC)
    check(20 * HOUR + 60, 20 * HOUR + 600, "bad")

    night_audit.run(NOW)

    assert RollupRequest.objects.filter(date=DAY).exists()


def test_the_command_audits_everything_and_says_what_differed() -> None:
    make_old_service()
    an_outage()
    rollup.roll_up(DAY, ["payments"], NOW, UTC)
    said = StringIO()
    call_command("rollup", "--audit", stdout=said)
    assert "1 services audited; nothing differs." in said.getvalue()
    execute("UPDATE check_runs SET check_count = 1 WHERE verdict = 'bad'")

    with pytest.raises(CommandError, match="Runs of 1 services and 0 stored days differed"):
        call_command("rollup", "--audit", "--service", "payments", stdout=said)

    assert "payments: recorded runs differed" in said.getvalue()
    call_command("rollup", "--audit", stdout=StringIO())


# Days of a slow service, each with some checks that arrive days later: late ones change days that are long settled.
slots = st.lists(
    st.tuples(st.integers(0, 6 * 24), st.sampled_from(["ok", "bad", "bad"]), st.sampled_from([0, 0, 0, 1, 3])),
    min_size=4, max_size=40, unique_by=lambda slot: slot[0],
)  # fmt: skip


@settings(max_examples=settings.default.max_examples // 6)  # each accounts days
@given(st.integers(1, 4), st.integers(1, 3), slots)
@example(2, 1, [(10, "ok", 0), (11, "bad", 0), (12, "bad", 4), (56, "bad", 0), (57, "ok", 0)])
def test_stored_days_are_those_of_the_ledger_whatever_arrives_late(failures: Any, recoveries: Any, found: Any) -> None:
    try:
        with transaction.atomic():
            service = make_service(check_interval=1_200_000, failure_threshold=failures, recovery_threshold=recoveries)
            Service.objects.update(created_at=START - timedelta(days=1))
            days_and_results = sorted((slot // 24 + delay, slot, verdict) for slot, verdict, delay in found)
            for today in range(11):
                now = START + timedelta(days=today, hours=23)
                batch = [
                    make_result(slot * HOUR, verdict, interval_ms=1_200_000)
                    for day, slot, verdict in days_and_results
                    if day == today and slot * HOUR <= today * 86_400 + 23 * HOUR
                ]
                recording.record(batch, now)
                rollup_requests.plan(now, UTC)
                work_off(now)
            service.refresh_from_db()

            rows = {row.date: {kind: getattr(row, f"{kind}_s") for kind in Kind} for row in UptimeRecord.objects.all()}
            days = ledger.days_of([service], min(rows), max(rows), now, UTC)[service.id]
            assert rows == {day.date: day.seconds for day in days}
            raise Undo
    except Undo:
        pass


def test_a_failure_that_comes_to_be_known_days_late_changes_the_days_that_it_reaches() -> None:
    service = make_service(check_interval=600_000)
    Service.objects.update(created_at=START - timedelta(days=1))
    service.refresh_from_db()
    day_s = 86_400
    in_time = [
        (10 * HOUR, "ok"), (10 * HOUR + 600, "bad"), (2 * day_s + 8 * HOUR, "bad"), (2 * day_s + 8 * HOUR + 600, "ok"),
    ]  # fmt: skip
    for second, verdict in in_time:
        recording.record([make_result(second, verdict, interval_ms=600_000)], at(second + 1))
    now = at(4 * day_s + HOUR)
    rollup_requests.plan(now, UTC)
    work_off(now)

    recording.record([make_result(10 * HOUR + 1200, "bad", interval_ms=600_000)], now)
    work_off(now)

    rows = {row.date.day: row.down_s for row in UptimeRecord.objects.all()}
    found = ledger.read(service, at(0), at(4 * day_s), now, UTC)
    assert rows[12] == 600
    assert sum(rows.values()) == found.official.seconds[Kind.DOWN]


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def work_off(now: datetime = NOW) -> None:
    while rollup.work_off(now, UTC):
        pass
