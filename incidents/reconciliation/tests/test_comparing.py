"""Differences between measured outages and published incidents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incidents.reconciliation.comparing import Outage, Told, compare

NOON = datetime(2025, 3, 9, 12, 0, tzinfo=UTC)
SINCE = NOON - timedelta(days=90)


def at(minute: float | None) -> Any:
    return None if minute is None else NOON + timedelta(minutes=minute)


def outage(start: float, end: float | None, service: str = "cards") -> Outage:
    return Outage(service_id=service, start_at=at(start), end_at=at(end))


def told(start: float, end: float | None, *services: str) -> Told:
    return Told(incident_id=1, service_ids=frozenset(services or ("cards",)), start_at=at(start), end_at=at(end))


@pytest.mark.parametrize(
    ("outages", "incidents", "kinds"),
    [
        ([outage(0, 20)], [told(0, 20)], []),
        ([outage(0, 20)], [told(5, 25)], []),
        ([outage(0, None)], [told(0, None)], []),
        ([outage(0, 20)], [told(0, None)], []),
        ([outage(0, None)], [told(0, 20)], []),
        ([outage(0, 20)], [], ["unreported"]),
        ([outage(0, 20)], [told(0, 20, "payments")], ["unreported", "unmeasured"]),
        ([outage(0, 20)], [told(40, 60)], ["unreported", "unmeasured"]),
        ([], [told(0, 20)], ["unmeasured"]),
        ([outage(0, 20)], [told(5.1, 20)], ["start"]),
        ([outage(0, 20)], [told(0, 25.1)], ["end"]),
        ([outage(0, 20)], [told(-6, 40)], ["start", "end"]),
        ([outage(0, 5), outage(10, 20)], [told(0, 20)], []),
        ([outage(0, 5), outage(0, 20, "payments")], [told(0, 20, "cards", "payments")], []),
        ([outage(0, 5)], [Told(incident_id=1, service_ids=frozenset(), start_at=NOON, end_at=None)], ["unreported"]),
    ],
)
def test_differences(outages: list[Outage], incidents: list[Told], kinds: list[str]) -> None:
    assert [found.kind for found in compare(outages, incidents, since=SINCE)] == kinds


def test_a_draft_tells_an_outage_and_is_not_judged_itself() -> None:
    draft = replace(told(15, 90), is_draft=True)

    assert compare([outage(0, 20)], [draft], since=SINCE) == []
    assert compare([], [draft], since=SINCE) == []


def test_an_incident_that_began_before_outages_are_known_is_not_judged() -> None:
    assert compare([], [told(0, 20)], since=at(2)) == []


def test_a_difference_of_times_has_both() -> None:
    (found,) = compare([outage(0, 20)], [told(7, 20)], since=SINCE)

    assert (found.measured_at, found.told_at, found.incident_id) == (at(0), at(7), 1)
