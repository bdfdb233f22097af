from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from observability.diagnostics import Verdict
from slamonitor.doctor import server


@pytest.mark.django_db
@pytest.mark.parametrize(
    "ask",
    [server.answers, server.version, server.migrations, server.clock, server.wraparound],
    ids=lambda ask: ask.__name__,
)
def test_a_sound_server_is_good(ask: Any) -> None:
    assert ask().verdict is Verdict.GOOD


@pytest.mark.django_db
def test_a_server_that_may_lose_data_is_bad() -> None:
    found = server.keeps_what_it_took()  # the one of the tests is, for speed

    assert found.verdict is Verdict.BAD
    assert "fsync" in found.says and "ALTER SYSTEM SET fsync = on" in found.remedy


def test_only_synchronous_commit_off_is_a_warning() -> None:
    assert server.judge_switches({"fsync": "on", "synchronous_commit": "off"}).verdict is Verdict.WARNING
    assert server.judge_switches({"fsync": "on", "synchronous_commit": "on"}).verdict is Verdict.GOOD


@pytest.mark.django_db
def test_a_server_that_is_not_there_is_found_at_once_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {**connection.get_connection_params(), "host": "127.0.0.1", "port": 1}
    monkeypatch.setattr(connection, "get_connection_params", lambda: parameters)

    found = server.answers()

    assert found.verdict is Verdict.BAD
    assert "port 1 failed: Connection refused" in found.says and "DATABASE_URL" in found.remedy


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ('FATAL:  password authentication failed for user "sla_monitor"', "DB_PASSWORD"),
        ('FATAL:  database "sla_monitor" does not exist', "Create the database"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("FATAL:  could not write init file: No space left on device", "disk is full"),
        ("FATAL:  the database system is starting up", "Wait"),
        ("", "See its log"),
    ],
)
def test_each_reason_of_a_refusal_has_its_remedy(why: str, words: str) -> None:
    assert words in server.refused(why).remedy


@pytest.mark.parametrize(("number", "verdict"), [(140_012, "bad"), (150_018, "good"), (180_004, "good")])
def test_old_versions_are_bad(number: int, verdict: str) -> None:
    found = server.judge_version(number)

    assert found.verdict == verdict
    assert found.says.split()[1] in ("14.12", "15.18", "18.4")


def test_missing_migrations_are_bad_and_newer_ones_are_noted() -> None:
    missing = server.judge_migrations(missing=["monitoring.0009_worker_facts"], foreign=[])
    assert (missing.verdict, "manage.py migrate" in missing.remedy) == (Verdict.BAD, True)
    assert "monitoring.0009_worker_facts" in missing.says

    assert server.judge_migrations(missing=[], foreign=["monitoring.9999"]).verdict is Verdict.NOTE


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0.01, "good"), (-0.01, "good"), (0.6, "note"), (-1.9, "note"), (2, "bad"), (-3600, "bad")]
)
def test_clocks_may_differ_by_less_than_two_seconds(seconds: float, verdict: str) -> None:
    assert server.judge_clock(timedelta(seconds=seconds)).verdict == verdict


@pytest.mark.django_db
def test_a_slow_answer_says_nothing_of_clocks(time_machine: Any) -> None:
    time_machine.move_to(timezone.now(), tick=False)

    def be_slow(execute: Any, *query: Any) -> Any:
        try:
            return execute(*query)
        finally:
            time_machine.shift(timedelta(seconds=10))

    with connection.execute_wrapper(be_slow):
        found = server.clock()

    assert (found.verdict, "within 10000 ms" in found.says) == (Verdict.GOOD, True), found.says


@pytest.mark.parametrize(
    ("age", "verdict"), [(200_000_000, "good"), (1_000_000_000, "warning"), (1_700_000_000, "bad")]
)
def test_transaction_numbers_run_out_with_a_warning(age: int, verdict: str) -> None:
    assert server.judge_wraparound(age).verdict == verdict
