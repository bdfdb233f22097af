"""Heartbeats of other tools: runs with ids and limits of their own, cron schedules, and addresses of other tools."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from monitoring.engine.heartbeats import MOST_RUNS, Answer, Report, Rhythm, mark_overdue, open_door, ping
from monitoring.models import Heartbeat, Service, WatchServerLog
from monitoring.probes import KINDS
from monitoring.probes.kinds.heartbeat import LONGEST_S, HeartbeatSettings
from monitoring.states.silence import mark_silent
from monitoring.tests.factories import START, make_service

pytestmark = pytest.mark.django_db

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
BERLIN = {"schedule": "30 2 * * *", "time_zone": "Europe/Berlin", "grace": "10m"}
GOOD, BEGUN = Report(), Report(has_started=True)


def door(**settings: Any) -> str:
    service = make_service("backup", kind="heartbeat", endpoint_url=None, check_settings=settings)
    service.full_clean()
    return open_door(service)


def checks() -> list[tuple[datetime, str, str | None]]:
    return list(WatchServerLog.objects.order_by("checked_at").values_list("checked_at", "verdict", "error_message"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


class TestRuns:
    def test_runs_that_overlap_have_their_own_durations(self) -> None:
        token = door(period="1h")
        for id, minutes in (("a", 0), ("b", 5)):
            ping(token, Report(has_started=True, run_id=id), START + minutes * MINUTE)

        for id, minutes in (("a", 12), ("b", 8), ("", 20), ("c", 25)):
            ping(token, Report(run_id=id), START + minutes * MINUTE)

        taken = WatchServerLog.objects.order_by("checked_at").values_list("response_time", flat=True)
        assert list(taken) == [3 * 60_000, 12 * 60_000, None, None]
        assert Heartbeat.objects.get().runs is None

    def test_runs_that_end_together_are_all_taken(self) -> None:
        token = door(period="1h")
        for id in "ab":
            ping(token, Report(has_started=True, run_id=id), START + MINUTE * (id == "b"))

        answers = [ping(token, Report(run_id=id), START + 5 * MINUTE + n * SECOND / 100) for n, id in enumerate("ab")]

        assert answers == [Answer.TAKEN, Answer.TAKEN]

    def test_open_runs_are_bounded(self) -> None:
        token = door(period="1h")
        for number in range(MOST_RUNS + 5):
            ping(token, Report(has_started=True, run_id=str(number)), START + number * SECOND)

        assert sorted(map(int, Heartbeat.objects.get().runs)) == list(range(5, MOST_RUNS + 5))

    @pytest.mark.parametrize("run_id", ["", "a"])
    def test_a_run_that_takes_too_long_is_a_bad_check(self, run_id: str) -> None:
        token = door(period="1d", grace="1h", max_run="30m")
        ping(token, Report(has_started=True, run_id=run_id), START)

        assert [mark_overdue(START + minutes * MINUTE) for minutes in (29, 30, 31)] == [0, 1, 0]

        words = "the job began at 2025-03-10 00:00:00 UTC and did not end within 30 min"
        assert checks() == [(START + 30 * MINUTE, "bad", words)]
        assert Service.objects.get().status == "mo"
        ping(token, Report(run_id=run_id), START + 40 * MINUTE)
        assert Service.objects.get().status == "o"
        assert WatchServerLog.objects.get(verdict="ok").response_time == 40 * 60_000

    def test_each_run_has_its_own_limit(self) -> None:
        token = door(period="1d", grace="1h", max_run="30m")
        ping(token, GOOD, START)
        for id, minutes in (("a", 10), ("b", 20)):
            ping(token, Report(has_started=True, run_id=id), START + minutes * MINUTE)
        ping(token, Report(run_id="a"), START + 30 * MINUTE)

        assert [mark_overdue(START + minutes * MINUTE) for minutes in (41, 51)] == [0, 1]

    def test_a_start_in_time_is_enough_where_runs_have_a_limit(self) -> None:
        """A job that takes from one to six hours: neither late on the next day, nor is a missing start noticed late."""
        token = door(period="1d", grace="1h", max_run="8h")
        ping(token, BEGUN, START)
        ping(token, GOOD, START + HOUR)
        ping(token, BEGUN, START + 24 * HOUR)

        assert mark_overdue(START + 29 * HOUR) == 0
        ping(token, GOOD, START + 30 * HOUR)
        assert mark_overdue(START + 49 * HOUR) == 1
        assert [check[1] for check in checks()] == ["ok", "ok", "bad"]

    def test_nothing_is_unknown_until_a_long_run_ends(self) -> None:
        token = door(period="1h", grace="5m", max_run="12h")
        ping(token, GOOD, START)
        ping(token, BEGUN, START + HOUR)
        mark_silent(START + 2 * HOUR)
        for hours in range(2, 12):
            ping(token, Report(has_started=True, run_id=str(hours)), START + hours * HOUR)
            mark_silent(START + hours * HOUR + 30 * MINUTE)

        assert mark_overdue(START + 12 * HOUR) == 0
        assert Service.objects.get().status == "o"


class TestSchedule:
    @pytest.mark.parametrize(
        ("before", "due"),
        [
            ("2026-10-24T02:31+02:00", "2026-10-25T02:30+02:00"),  # the first of the two
            ("2026-10-25T02:31+02:00", "2026-10-26T02:30+01:00"),  # 25 hours later
            ("2026-10-25T02:31+01:00", "2026-10-26T02:30+01:00"),
            ("2026-03-28T02:31+01:00", "2026-03-29T03:00+02:00"),  # 02:30 does not exist; cron runs it at 03:00
            ("2026-03-29T03:01+02:00", "2026-03-30T02:30+02:00"),
        ],
    )
    def test_a_daily_job_is_due_at_its_local_time(self, before: str, due: str) -> None:
        assert HeartbeatSettings(schedule="30 2 * * *", time_zone="Europe/Berlin").due_after(at(before)) == at(due)

    @pytest.mark.parametrize(
        ("pinged", "deadline"),
        [("2026-10-25T02:31+02:00", "2026-10-26T02:40+01:00"), ("2026-03-29T03:01+02:00", "2026-03-30T02:40+02:00")],
    )
    def test_it_is_late_neither_before_nor_after_its_deadline(self, pinged: str, deadline: str) -> None:
        token = door(**BERLIN)
        ping(token, GOOD, at(pinged))

        assert mark_overdue(at(deadline) - SECOND) == 0
        mark_silent(at(deadline) - SECOND)
        assert Service.objects.get().status == "o"
        assert mark_overdue(at(deadline)) == 1
        assert checks()[1][2] == (
            f"no ping since {at(pinged):%Y-%m-%d %H:%M:%S} UTC; expected at 30 2 * * * (Europe/Berlin), grace 10 min"
        )

    def test_silence_is_told_again_at_each_time(self) -> None:
        token = door(**BERLIN)
        ping(token, GOOD, at("2026-10-24T02:31+02:00"))

        told = [mark_overdue(at("2026-10-25T02:40+02:00") + hours * HOUR) for hours in range(27)]

        assert [hours for hours, count in enumerate(told) if count] == [0, 25]

    def test_a_check_counts_until_the_next_deadline(self) -> None:
        for expression in ("30 2 * * *", "0 8 * * MON-FRI", "*/5 * * * *", "0 0 1 * *", "0 9,17 * * *"):
            settings, problems = KINDS["heartbeat"].read({"schedule": expression, "grace": "1h"})
            assert isinstance(settings, HeartbeatSettings), problems
            rhythm = Rhythm(settings=settings)
            for hours in range(0, 24 * 40, 7):
                now = START + hours * HOUR
                overdue = rhythm.due_after(now) + rhythm.grace
                assert now + rhythm.interval_ms(now) * timedelta(milliseconds=2.5) >= overdue

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"schedule": "@daily"}, '"@daily" is not a cron expression of five fields'),
            ({"schedule": "0 0 2 * * *"}, "of five fields"),
            ({"schedule": "0 25 * * *"}, '"0 25 * * *" is not a cron expression: Bad hour.'),
            ({"schedule": "0 0 30 2 *"}, "is not a cron expression: Bad day-of-month."),
            ({"schedule": "0 0 1 1 *"}, '"0 0 1 1 *" has a time in more than 62 days.'),
            ({"schedule": "* * 1 1 *"}, "has a time in more than 62 days."),
            ({"schedule": 5}, "5 is not text"),
            ({"schedule": "a\0b * * * *"}, "cannot be stored"),
            ({"time_zone": "Europe"}, '"Europe" is not a time zone. Enter a name such as Europe/Berlin.'),
            ({"time_zone": "../../etc/passwd"}, "is not a time zone"),
            ({"time_zone": "x" * 500}, "is not a time zone"),
            ({"max_run": LONGEST_S}, "period, grace and longest run together may be at most 62 days."),
        ],
    )
    def test_wrong_settings_are_told(self, settings: dict[str, Any], words: str) -> None:
        found, problems = KINDS["heartbeat"].read(settings)

        assert found is None and any(words in str(problem) for problem in problems), problems


class TestOtherTools:
    @pytest.fixture(autouse=True)
    def now(self) -> Iterator[Any]:
        with time_machine.travel(START, tick=False) as moment:
            yield moment

    @pytest.fixture
    def token(self) -> str:
        return door(period="1h")

    @pytest.mark.parametrize("base", ["/api/push", "/heartbeat", "/ping"])
    @pytest.mark.parametrize(
        ("query", "check"),
        [
            ("", ("ok", None, None)),
            ("?status=up&msg=OK&ping=", ("ok", "OK", None)),
            ("?status=up&msg=42%20files&ping=1234.5", ("ok", "42 files", 1234.5)),
            ("?status=down&msg=disk%00full&ping=7", ("bad", "the job reported failure: disk full", 7)),
            ("?status=DOWN", ("bad", "the job reported failure", None)),
            ("?status=&ping=nan&msg=", ("ok", None, None)),
            ("?ping=-5", ("ok", None, None)),
            ("?ping=1e999", ("ok", None, None)),
        ],
    )
    def test_the_query_of_uptime_kuma(self, client: Client, token: str, base: str, query: str, check: Any) -> None:
        assert client.get(f"{base}/{token}{query}").status_code == 200

        found = WatchServerLog.objects.values_list("verdict", "error_message", "response_time").get()
        assert found == check

    def test_the_answer_of_uptime_kuma(self, client: Client, token: str) -> None:
        assert client.get(f"/api/push/{token}").json() == {"ok": True}
        assert client.get("/api/push/guessed").status_code == 404

    @pytest.mark.parametrize("base", ["/heartbeat", "/ping"])
    @pytest.mark.parametrize("method", ["get", "head", "post"])
    @pytest.mark.parametrize(
        ("path", "verdicts"),
        [("", ["ok"]), ("/start", []), ("/log", []), ("/fail", ["bad"]), ("/0", ["ok"]), ("/1", ["bad"]),
         ("/255", ["bad"]), ("/3221225477", ["bad"]), ("/-1", ["bad"]), ("/-1073741819", ["bad"])],
    )  # fmt: skip
    def test_the_paths_of_healthchecks(
        self, token: str, base: str, method: str, path: str, verdicts: list[str]
    ) -> None:
        assert getattr(Client(enforce_csrf_checks=True), method)(f"{base}/{token}{path}").status_code == 200

        assert [check[1] for check in checks()] == verdicts

    def test_the_exit_code_is_told(self, client: Client, token: str) -> None:
        client.post(f"/ping/{token}/3221225477", b"access violation", content_type="text/plain")

        assert checks()[0][2] == "the job reported failure (exit code 3221225477): access violation"

    def test_run_ids_of_healthchecks(self, client: Client, token: str, now: Any) -> None:
        client.get(f"/ping/{token}/start?rid=123e4567-e89b-12d3-a456-426614174000")
        now.shift(90)
        client.get(f"/ping/{token}/0?rid=123e4567-e89b-12d3-a456-426614174000")

        assert WatchServerLog.objects.get().response_time == 90_000

    @pytest.mark.parametrize("rid", ["a b", "%00", "x" * 65, "%ED%A0%80"])
    def test_an_odd_run_id_is_refused(self, client: Client, token: str, rid: str) -> None:
        answer = client.get(f"/ping/{token}/start?rid={rid}")

        assert answer.status_code == 400
        assert Heartbeat.objects.get().runs is None
