"""Refused messages are counted one by one, and logged together."""

import logging

import pytest

from observability.refusals import Refusals


def test_a_flood_is_one_line_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    refusals = Refusals(clock=lambda: now_s[0], unix_clock=lambda: 1_700_000_000.5)
    caplog.set_level(logging.ERROR)

    for now_s[0] in (0.0, *[1.0] * 999, 10.0):
        refusals.note("it is not signed", "results", "x" * 10_000)

    assert [record.__dict__["messages"] for record in caplog.records] == [1, 1000]
    assert all(len(record.__dict__["task"]) == 100 for record in caplog.records)
    assert refusals.counters() == {"refused_messages": 1001, "refused_at_ms": 1_700_000_000_500}


def test_without_any_there_is_nothing_to_say() -> None:
    assert Refusals().counters() == {}
