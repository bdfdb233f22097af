"""Post-mortems: the timeline, and what must be there before customers read one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from accounts.tests.cast import Person
from incidents import post_mortems, response_figures
from incidents.models import AffectedService, Incident, PostMortem
from incidents.tests.factories import make_incident, make_update
from monitoring.models import Span, Transition
from monitoring.tests.factories import make_service

NOW = datetime(2025, 3, 9, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident() -> Incident:
    """Payments were down from 11:00 to 11:30, with a word to customers, one to colleagues, and maintenance before."""
    service = make_service("payments")
    start = NOW - 60 * MINUTE
    incident = make_incident(started_at=start, status="resolved", resolved_at=NOW - 30 * MINUTE, duration_minutes=30)
    AffectedService.objects.create(incident=incident, service=service, impact="major")
    for minute, before, after in ((0, "o", "mo"), (30, "mo", "o"), (600, "o", "mo")):
        Transition.objects.create(
            service=service,
            from_status=before,
            to_status=after,
            cause="failed",
            edge_end_at=start + minute * MINUTE,
            created_at=start + minute * MINUTE,
        )
    make_update(incident=incident, created_at=start + 5 * MINUTE, message="We are looking into it.")
    make_update(incident=incident, created_at=start + 6 * MINUTE, message="A disk.", is_customer_visible=False)
    make_update(incident=incident, created_at=start + 7 * MINUTE, message="Later.", published_at=None)
    Span.objects.create(kind="maintenance", since=start - 10 * MINUTE, until=start - 5 * MINUTE, reason="New disks")
    return incident


def test_the_timeline_has_changes_updates_and_maintenance_in_order(incident: Incident) -> None:
    events = post_mortems.timeline(incident, with_internal=True, now=NOW)

    assert [(event.kind, event.status or event.text) for event in events] == [
        ("maintenance", "New disks"),
        ("transition", "mo"),
        ("update", "resolved"),
        ("update", "resolved"),
        ("transition", "o"),
    ]


def test_the_public_timeline_has_no_internal_update(incident: Incident) -> None:
    events = post_mortems.timeline(incident, with_internal=False, now=NOW)

    assert [event.text for event in events if event.kind == "update"] == ["We are looking into it."]


def test_a_post_mortem_is_published_once(incident: Incident, reporter: Person) -> None:
    post_mortem = PostMortem.objects.create(incident=incident, summary="A disk failed.")

    post_mortems.publish(post_mortem, who=reporter.user, now=NOW)

    post_mortem.refresh_from_db()
    assert (post_mortem.published_at, post_mortem.published_by) == (NOW, reporter.user)
    with pytest.raises(ValidationError, match=f"{reporter.user} has already published"):
        post_mortems.publish(post_mortem, who=None, now=NOW)


@pytest.mark.parametrize(
    ("values", "summary", "words"),
    [
        ({"published_at": None}, "A disk failed.", "Publish the incident before"),
        ({"status": "monitoring", "resolved_at": None, "duration_minutes": None}, "A disk failed.", "Resolve the"),
        ({}, " ", "Enter a summary"),
        ({}, "x" * 20_001, "Shorten it to 20000"),
    ],
)
def test_a_post_mortem_that_customers_could_not_read_is_refused(
    incident: Incident, values: dict[str, object], summary: str, words: str
) -> None:
    Incident.objects.update(**values)
    post_mortem = PostMortem.objects.create(incident=Incident.objects.get(), summary=summary)

    with pytest.raises(ValidationError, match=words):
        post_mortems.publish(post_mortem, who=None, now=NOW)

    post_mortem.refresh_from_db()
    assert post_mortem.published_at is None


def test_response_figures_are_means_by_month_of_the_pages_zone() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    march = datetime(2025, 3, 1, 9, 0, tzinfo=seoul)
    times: dict[str, Any] = {"priority": "P1", "detected_at": march + MINUTE, "acknowledged_at": march + 3 * MINUTE}
    over: dict[str, Any] = {"status": "resolved", "resolved_at": march + 60 * MINUTE}
    make_incident(started_at=march, first_update_at=march + 10 * MINUTE, **times, **over)
    make_incident(started_at=march, first_update_at=march + 20 * MINUTE, **times, **over)
    make_incident(started_at=datetime(2025, 2, 28, 15, 0, tzinfo=UTC), priority="P4", **{**over, "resolved_at": march})
    make_incident(started_at=datetime(2025, 2, 28, 14, 59, tzinfo=UTC), priority="P4")
    make_incident(started_at=march, is_draft=True)

    found = response_figures.by_month(march.date(), NOW, seoul)

    (month,) = found
    assert (month.first_day.isoformat(), month.incidents, month.missed) == ("2025-03-01", 3, 1)
    assert (month.to_detect, month.to_acknowledge, month.to_first_update) == (1.0, 3.0, 15.0)
