"""The clock of an incident on its page, and the response times by month."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.tests.cast import Person
from incidents.clocks import clock, of_incident
from incidents.models import Incident
from incidents.targets import response_of
from incidents.tests.factories import make_incident

START = datetime(2025, 3, 9, 11, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("told", "resolved", "now", "says", "is_missed"),
    [
        (None, None, 3, "First update due in 12 min", False),
        (None, None, 18, "First update overdue by 3 min", True),
        (5, None, 30, "First update in time", False),
        (18, None, 30, "First update 3 min too late", True),
        (None, 10, 30, "Resolved without an update to customers", False),
        (None, 20, 30, "Resolved without an update to customers", True),
    ],
)
def test_the_clock_in_words(told: int | None, resolved: int | None, now: int, says: str, is_missed: bool) -> None:
    def at(minute: int | None) -> Any:
        return None if minute is None else START + minute * MINUTE

    response = response_of("P1", START, at(told), at(resolved), at(now))

    found = clock(response, at(resolved), at(now))

    assert (found.says, found.is_missed) == (says, is_missed)
    assert found.due.startswith("2025-03-09 11:15:00")


def test_a_dismissed_draft_has_no_clock() -> None:
    incident = Incident(priority="P1", started_at=START, dismissed_at=START)

    assert of_incident(incident, START + MINUTE)["clock"] is None


def text_of(person: Person, address: str) -> str:
    body = person.client.get(address).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", body[body.index("<main") : body.index("</main>")]).split())


def test_the_page_of_an_incident_has_its_clock_and_who_acknowledged_it(viewer: Person, reporter: Person) -> None:
    start = timezone.now() - 20 * MINUTE
    acknowledged: dict[str, Any] = {"acknowledged_at": start + 4 * MINUTE, "acknowledged_by": reporter.user}
    incident = make_incident(started_at=start, priority="P1", detected_at=start + MINUTE, **acknowledged)

    text = text_of(viewer, f"/admin/incidents/incident/{incident.pk}/change/")

    assert "P1 First update overdue by 5 min" in text
    assert "Detected after 1 min Acknowledged after 4 min reporter First update – Resolved –" in text


def test_response_times_are_listed_by_month(viewer: Person) -> None:
    start = timezone.now() - 60 * MINUTE
    for told in (10, 20):
        times: dict[str, Any] = {
            "first_update_at": start + told * MINUTE,
            "resolved_at": start + 30 * MINUTE,
            "status": "resolved",
        }
        make_incident(started_at=start, priority="P1", detected_at=start + MINUTE, **times)
    make_incident(started_at=start, is_draft=True)

    text = text_of(viewer, "/admin/response-times/")

    assert f"{timezone.localtime(start):%Y-%m} 2 1 1 min – 15 min 30 min" in text
    assert "P1 15 min · P2 1 h · P3 4 h · P4 24 h" in text


def test_without_incidents_there_is_no_table(viewer: Person) -> None:
    assert "There are no incidents yet" in text_of(viewer, "/admin/response-times/")
