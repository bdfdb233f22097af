from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from observability.diagnostics import Verdict
from slamonitor.doctor import activity
from slamonitor.doctor.space import TableSize

GOOD = {"used": 20, "limit": 97, "ours": 10, "idle": 0, "longest_s": 1.0}


@pytest.mark.django_db
@pytest.mark.parametrize("ask", [activity.connections, activity.dead_rows], ids=lambda ask: ask.__name__)
def test_a_quiet_server_is_good(ask: Any) -> None:
    assert ask().verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, "good", "20 of 97 connections are in use, 10 of them to this database"),
        ({"used": 80}, "warning", "80 of 97"),
        ({"used": 95}, "bad", "95 of 97"),
        ({"idle": 2}, "warning", "2 have been idle in an open transaction"),
        ({"longest_s": 7200}, "warning", "open for 120 minutes"),
        ({"longest_s": 7200, "used": 95}, "bad", "95 of 97"),
    ],
)
def test_connections_run_out_with_a_warning(change: Any, verdict: str, words: str) -> None:
    found = activity.judge_connections(**{**GOOD, **change})

    assert found.verdict == verdict
    assert words in found.says
    assert bool(found.remedy) == (verdict != "good")


def table(live: int, dead: int) -> TableSize:
    return TableSize("service_state", 0, 8192, 8192, live, dead, None)


@pytest.mark.parametrize(
    ("live", "dead", "verdict"), [(1, 90_000, "good"), (1_000_000, 200_000, "good"), (100_000, 200_000, "warning")]
)
def test_dead_rows_matter_in_large_tables(live: int, dead: int, verdict: str) -> None:
    found = activity.judge_dead_rows([table(live, dead)], lambda table: "never")

    assert found.verdict == verdict
    if verdict == "warning":
        assert "service_state (200,000, never)" in found.says and "VACUUM service_state" in found.remedy


@pytest.mark.django_db
def test_without_the_extension_slow_statements_are_at_least_logged() -> None:
    with CaptureQueriesContext(connection) as queries:
        found = activity.slow_statements()

    assert found.verdict is Verdict.GOOD
    assert "pg_stat_statements" in found.says
    read = [query["sql"] for query in queries if "FROM pg_stat_statements" in query["sql"]]
    assert not read, "which PostgreSQL logs as an error"


@pytest.mark.parametrize("logged_ms", [-1, 5_000])
def test_a_server_that_does_not_log_slow_statements_is_noted(logged_ms: int) -> None:
    found = activity.judge_slow(logged_ms, None)

    assert (found.verdict, "log_min_duration_statement = 1000" in found.remedy) == (Verdict.NOTE, True)


def test_a_statement_that_is_slow_on_average_is_a_warning_with_its_figures() -> None:
    found = activity.judge_slow(1000, [("SELECT slow", 12, 1500.0, 18_000.0), ("SELECT quick", 9_000, 1.0, 9_000.0)])

    assert found.verdict is Verdict.WARNING
    assert found.table.rows == [["SELECT slow", "12", "1,500.0", "18.0"], ["SELECT quick", "9,000", "1.0", "9.0"]]
    assert activity.judge_slow(1000, [("SELECT quick", 9_000, 1.0, 9_000.0)]).verdict is Verdict.GOOD
