from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from monitoring.engine.dispatch import dispatch_due
from monitoring.engine.heartbeats import Answer, Report, Rhythm, mark_overdue, open_door, ping
from monitoring.models import CheckRun, Heartbeat, Service, ServiceState, Span, WatchServerLog
from monitoring.states.silence import mark_silent
from monitoring.tests.factories import START, make_service

pytestmark = pytest.mark.django_db

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
GOOD, FAILED = Report(), Report(has_failed=True)


def make_heartbeat(**fields: Any) -> Any:
    settings = {"period": "1h", "grace": "5m", **fields.pop("check_settings", {})}
    return make_service("backup", kind="heartbeat", endpoint_url=None, check_settings=settings, **fields)


@pytest.fixture
def service() -> Any:
    return make_heartbeat()


@pytest.fixture
def token(service: Any) -> Any:
    return open_door(service)


def status() -> Any:
    return Service.objects.get().status


def checks() -> Any:
    return list(WatchServerLog.objects.order_by("checked_at").values_list("checked_at", "verdict", "error_message"))


def test_before_the_first_ping_nothing_is_known_or_due(token: Any) -> None:
    assert mark_overdue(START + 100 * HOUR) == 0
    assert status() == "nd"


def test_a_ping_is_a_good_check_at_its_arrival(token: Any) -> None:
    assert ping(token, Report(message="42 files"), START) is Answer.TAKEN

    assert checks() == [(START, "ok", "42 files")]
    assert status() == "o"
    heartbeat = Heartbeat.objects.get()
    assert (heartbeat.last_ping_at, heartbeat.due_at) == (START, START + HOUR)
    assert WatchServerLog.objects.get().interval_ms == 3_600_000


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (FAILED, "the job reported failure"),
        (Report(has_failed=True, exit_code=3), "the job reported failure (exit code 3)"),
        (
            Report(has_failed=True, exit_code=3, message="disk full"),
            "the job reported failure (exit code 3): disk full",
        ),
    ],
)
def test_a_reported_failure_is_an_outage_at_once(token: Any, report: Any, words: Any) -> None:
    ping(token, GOOD, START)
    ping(token, report, START + MINUTE)

    assert checks()[1] == (START + MINUTE, "bad", words)
    assert WatchServerLog.objects.get(verdict="bad").error_type == "unknown"
    assert status() == "mo"


def test_silence_is_a_bad_check_at_the_deadline_and_again_each_period(token: Any) -> None:
    ping(token, GOOD, START)
    deadline = START + HOUR + 5 * MINUTE

    assert mark_overdue(deadline - SECOND) == 0
    assert [mark_overdue(deadline + SECOND) for _ in range(2)] == [1, 0]
    assert mark_overdue(deadline + HOUR + SECOND) == 1

    words = "no ping since 2025-03-10 00:00:00 UTC; expected every 1 h, grace 5 min"
    assert checks()[1:] == [(deadline, "bad", words), (deadline + HOUR, "bad", words)]
    assert status() == "mo"
    assert ServiceState.objects.get().recheck_at is None


def test_the_outage_ends_with_the_next_ping_and_nothing_between_is_unknown(token: Any) -> None:
    ping(token, GOOD, START)
    deadline = START + HOUR + 5 * MINUTE
    mark_overdue(deadline)
    mark_silent(deadline + 50 * MINUTE)

    ping(token, GOOD, deadline + 55 * MINUTE)

    assert status() == "o"
    assert list(CheckRun.objects.order_by("first_at").values_list("verdict", "last_at", "hold_s")) == [
        ("ok", START, 9000),
        ("bad", deadline, 9000),
    ]


def test_a_check_speaks_until_the_deadline_however_long_the_grace() -> None:
    service = make_heartbeat(check_settings={"period": "10m", "grace": "2h"})
    token = open_door(service)
    ping(token, GOOD, START)

    mark_silent(START + 2 * HOUR + 9 * MINUTE)

    assert status() == "o"
    assert Rhythm.of(service).interval_ms(START) * 2.5 >= 130 * 60_000


def test_a_monthly_job_has_an_interval_that_can_be_stored() -> None:
    service = make_heartbeat(check_settings={"period": "31d", "grace": "1d"})
    service.full_clean()
    ping(open_door(service), GOOD, START)

    assert mark_overdue(START + timedelta(days=32)) == 1


def test_a_start_is_no_check_and_tells_how_long_the_job_took(token: Any) -> None:
    ping(token, Report(has_started=True), START)
    assert checks() == []

    ping(token, GOOD, START + 90 * SECOND)

    assert WatchServerLog.objects.get().response_time == 90_000


def test_a_job_that_began_and_did_not_end_is_told(token: Any) -> None:
    ping(token, GOOD, START)
    ping(token, Report(has_started=True), START + HOUR)

    mark_overdue(START + HOUR + 5 * MINUTE)

    assert checks()[1][2].endswith("; the job began at 2025-03-10 01:00:00 UTC and reported no end")


def test_silence_proves_nothing_where_nobody_listened(token: Any) -> None:
    ping(token, GOOD, START)
    back_at = START + 3 * HOUR

    assert mark_overdue(back_at) == 0
    assert mark_overdue(back_at + HOUR + 5 * MINUTE) == 1


def test_silence_proves_nothing_while_we_are_blind(token: Any) -> None:
    ping(token, GOOD, START)
    Span.objects.create(kind="blind", since=START)

    assert mark_overdue(START + HOUR + 5 * MINUTE) == 0


def test_a_paused_service_is_neither_checked_nor_overdue(token: Any) -> None:
    ping(token, GOOD, START)
    Service.objects.update(is_active=False)

    assert ping(token, FAILED, START + MINUTE) is Answer.TAKEN
    assert mark_overdue(START + 2 * HOUR) == 0
    assert len(checks()) == 1


def test_a_new_rhythm_counts_from_the_last_ping(service: Any, token: Any) -> None:
    ping(token, GOOD, START)
    service.refresh_from_db()
    service.check_settings = {"period": "10m", "grace": "1m"}
    service.save()

    assert mark_overdue(START + 5 * MINUTE) == 0
    assert mark_overdue(START + 11 * MINUTE) == 1


def test_after_a_ping_in_the_future_silence_is_told_a_period_after_the_clock_was_set_right(token: Any) -> None:
    ping(token, GOOD, START + 24 * HOUR)
    mark_overdue(START)
    mark_silent(START)
    assert status() == "nd"

    assert mark_overdue(START + HOUR + 4 * MINUTE) == 0
    assert mark_overdue(START + HOUR + 5 * MINUTE) == 1

    assert status() == "mo"


def test_a_flood_of_pings_is_turned_away(token: Any) -> None:
    ping(token, GOOD, START)

    assert ping(token, GOOD, START + timedelta(milliseconds=50)) is Answer.TOO_OFTEN
    assert ping(token, FAILED, START + timedelta(milliseconds=150)) is Answer.TAKEN


def test_only_the_newest_token_opens_and_only_its_hash_is_kept(service: Any, token: Any) -> None:
    newer = open_door(service)

    assert len(token) >= 22, "128 bits in base 64"
    assert ping(token, GOOD, START) is Answer.UNKNOWN
    assert ping(newer, GOOD, START) is Answer.TAKEN
    assert newer.encode() not in bytes(Heartbeat.objects.get().token_hash)


def test_an_archived_service_has_no_door(token: Any) -> None:
    Service.objects.update(archived_at=START)

    assert ping(token, GOOD, START) is Answer.UNKNOWN


def test_nobody_goes_and_looks(service: Any) -> None:
    specs: list[Any] = []
    dispatch_due(START, lambda region, batch: specs.extend(batch))
    dispatch_due(START + HOUR, lambda region, batch: specs.extend(batch))

    assert specs == []
    assert service.phase_ms is None


def test_marking_costs_two_queries_while_all_is_well(
    token: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ping(token, GOOD, START)

    with django_assert_num_queries(5):  # with a savepoint, and how long to wait for a lock
        mark_overdue(START + MINUTE)


class TestDoor:
    @pytest.fixture(autouse=True)
    def now(self) -> Iterator[Any]:
        with time_machine.travel(START, tick=False) as moment:
            yield moment

    @pytest.mark.parametrize("method", ["get", "post", "head"])
    def test_anybody_with_the_token_may_report(self, token: Any, method: Any) -> None:
        assert getattr(Client(enforce_csrf_checks=True), method)(f"/heartbeat/{token}").status_code == 200

        assert status() == "o"

    @pytest.mark.parametrize(("path", "verdict"), [("/fail", "bad"), ("/0", "ok"), ("/7", "bad")])
    def test_the_path_says_how_it_went(self, client: Client, token: Any, path: Any, verdict: Any) -> None:
        client.get(f"/heartbeat/{token}{path}")

        assert [check[1] for check in checks()] == [verdict]

    @pytest.mark.parametrize("base", ["/heartbeat", "/ping", "/api/push"])
    def test_a_slash_at_the_end_is_read_as_by_other_tools(self, client: Client, token: Any, base: str) -> None:
        assert client.post(f"{base}/{token}/?status=down").status_code == 200

        assert [check[1] for check in checks()] == ["bad"]

    def test_the_body_is_kept_as_one_short_line(self, client: Client, token: Any) -> None:
        body = b"line one\n\x1b[31mline two\x00 \xff" + b"x" * 9_000 + b"y" * 100_000

        client.post(f"/heartbeat/{token}", body, content_type="text/plain")

        message = checks()[0][2]
        assert message.startswith("line one [31mline two �xxx")
        assert len(message) == 500

    @pytest.mark.parametrize("path", ["/heartbeat/guessed", "/heartbeat/guessed/fail", "/heartbeat/%00/start"])
    def test_a_wrong_token_finds_nothing(self, client: Client, token: Any, path: Any) -> None:
        assert client.get(path).status_code == 404

    @pytest.mark.parametrize("code", ["4294967296", "-2147483649", "-", "1.5", "9" * 30])
    def test_an_exit_code_no_process_has_is_refused(self, client: Client, token: Any, code: str) -> None:
        assert client.get(f"/heartbeat/{token}/{code}").status_code == 404
        assert checks() == []

    def test_too_often_says_when_to_come_again(self, client: Client, token: Any) -> None:
        client.get(f"/heartbeat/{token}")

        answer = client.get(f"/heartbeat/{token}")

        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        assert answer.json()["error"]["code"] == "RATE_LIMITED"
        assert answer.json()["error"]["trace_id"] == answer["X-Trace-Id"]

    def test_other_methods_are_refused(self, client: Client, token: Any) -> None:
        assert client.delete(f"/heartbeat/{token}").status_code == 405


class TestCommand:
    def test_the_url_is_shown_once(self, service: Any, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("heartbeat_url", "backup", "--page-url", "https://status.example.com/")
        url = capsys.readouterr().out.strip()

        assert ping(url.removeprefix("https://status.example.com/heartbeat/"), GOOD, START) is Answer.TAKEN
        with pytest.raises(CommandError, match="only its hash is stored"):
            call_command("heartbeat_url", "backup")

    def test_the_address_is_that_of_the_running_instance(
        self, service: Any, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.PAGE_URL = "http://localhost:8123/"

        call_command("heartbeat_url", "backup")

        assert capsys.readouterr().out.startswith("http://localhost:8123/heartbeat/")

    @pytest.mark.parametrize(("form", "path"), [("healthchecks", "/ping/"), ("uptime-kuma", "/api/push/")])
    def test_jobs_of_other_tools_get_their_form(
        self, service: Any, client: Client, capsys: pytest.CaptureFixture[str], form: str, path: str
    ) -> None:
        call_command("heartbeat_url", "backup", "--form", form, "--page-url", "http://h")

        url = capsys.readouterr().out.strip()
        assert url.startswith(f"http://h{path}")
        assert client.get(url.removeprefix("http://h")).status_code == 200

    def test_a_rotated_url_is_another_one(self, service: Any, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("heartbeat_url", "backup")
        call_command("heartbeat_url", "backup", "--rotate")

        first, second = capsys.readouterr().out.split()
        assert first != second

    def test_what_is_probed_has_none(self) -> None:
        make_service("payments")

        with pytest.raises(CommandError, match="payments is not a heartbeat: it is checked by http"):
            call_command("heartbeat_url", "payments")

    def test_probing_it_says_why_not(self, service: Any, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("probe", "backup")

        assert capsys.readouterr().out == "not probed: a heartbeat\n"
