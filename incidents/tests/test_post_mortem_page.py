"""The page of a post-mortem: written by reporters, read by viewers, published separately."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.tests.cast import Person, make_person
from incidents.models import AffectedService, FollowUp, Incident, PostMortem
from incidents.tests.factories import make_incident, make_update
from monitoring.models import Span, Transition
from monitoring.tests.factories import make_service

START = datetime(2025, 3, 9, 11, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident() -> Incident:
    end = START + 30 * MINUTE
    incident = make_incident(started_at=START, status="resolved", resolved_at=end, root_cause="A disk.")
    AffectedService.objects.create(incident=incident, service=make_service(display_name="Payments"), impact="major")
    return incident


def page_of(incident: Incident) -> str:
    return f"/admin/incidents/incident/{incident.pk}/post-mortem/"


def entered(person: Person, incident: Incident, **values: object) -> dict[str, Any]:
    """Return what the form of the page would send, with some values replaced."""
    context = person.client.get(page_of(incident)).context
    form, actions = context["form"], context["actions"]
    data = {each.html_name: each.value() for each in form}
    data |= {each.html_name: each.value() for each in actions.management_form}
    data |= {each.html_name: each.value() for action in actions for each in action if each.name != "is_done"}
    data |= {action["is_done"].html_name: "on" for action in actions if action["is_done"].value()}
    return {name: value for name, value in {**data, **values}.items() if value is not None and value is not False}


def send(person: Person, incident: Incident, data: dict[str, Any]) -> str:
    answer = person.client.post(page_of(incident), data, follow=True)
    assert answer.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def save(person: Person, incident: Incident, act: str = "save", **values: object) -> str:
    return send(person, incident, entered(person, incident, act=act, **values))


def test_the_texts_are_kept_in_each_language(reporter: Person, incident: Incident) -> None:
    assert "Saved." in save(reporter, incident, summary="A disk failed.", summary_ko="디스크 고장.", notes="Vendor: Z")

    found = PostMortem.objects.get()
    assert (found.summary, found.summary_translations, found.notes) == (
        "A disk failed.",
        {"ko": "디스크 고장."},
        "Vendor: Z",
    )
    assert (found.root_cause, found.created_by) == ("A disk.", reporter.user), "the root cause comes from the incident"
    assert found.published_at is None


def test_actions_have_an_owner_a_due_day_and_are_done(reporter: Person, admin: Person, incident: Incident) -> None:
    values: dict[str, Any] = {
        "actions-0-text": "Replace the disks",
        "actions-0-owner": admin.user.pk,
        "actions-0-due_on": "2025-04-01",
    }
    save(reporter, incident, **values)
    action = FollowUp.objects.get()
    assert (action.text, action.owner, str(action.due_on)) == ("Replace the disks", admin.user, "2025-04-01")
    assert action.done_at is None

    save(reporter, incident, **{"actions-0-is_done": "on"})
    action.refresh_from_db()
    done_at = action.done_at
    assert done_at is not None

    save(reporter, incident, **{"actions-0-text": "Replace all disks"})
    action.refresh_from_db()
    assert (action.text, action.done_at) == ("Replace all disks", done_at)

    save(reporter, incident, **{"actions-0-DELETE": "on"})
    assert not FollowUp.objects.exists()


def test_inactive_users_own_no_new_action(reporter: Person, incident: Incident) -> None:
    gone = make_person("viewer", username="gone", is_active=False)

    values: dict[str, Any] = {"actions-0-text": "Replace the disks", "actions-0-owner": gone.user.pk}
    save(reporter, incident, **values)

    assert not FollowUp.objects.exists()


def test_a_post_mortem_is_published_and_unpublished(reporter: Person, incident: Incident) -> None:
    assert "The post-mortem is published." in save(reporter, incident, "publish", summary="A disk failed.")
    found = PostMortem.objects.get()
    assert (found.published_by, found.summary) == (reporter.user, "A disk failed.")

    assert "Customers no longer see the post-mortem." in send(reporter, incident, {"act": "unpublish"})
    found.refresh_from_db()
    assert (found.published_at, found.published_by, found.summary) == (None, None, "A disk failed.")
    assert "This post-mortem is not published." in send(reporter, incident, {"act": "unpublish"})


@pytest.mark.parametrize(
    ("values", "summary", "says"),
    [
        ({}, " ", "Enter a summary"),
        ({"published_at": None}, "A disk failed.", "Publish the incident before"),
        ({"status": "monitoring", "resolved_at": None}, "A disk failed.", "Resolve the incident before"),
    ],
)
def test_nothing_is_saved_when_publishing_is_refused(
    reporter: Person, incident: Incident, values: dict[str, object], summary: str, says: str
) -> None:
    Incident.objects.update(**values)

    text = save(reporter, incident, "publish", summary=summary, notes="Vendor: Z")

    assert says in text and "Vendor: Z" in text
    assert not PostMortem.objects.exists()


def test_the_second_of_two_writers_keeps_the_text_and_replaces_nothing(
    reporter: Person, admin: Person, incident: Incident
) -> None:
    for first in ("The first.", "The second."):  # of a post-mortem that is new, and of one that is stored
        late = entered(admin, incident, act="save", summary="From the admin.")
        save(reporter, incident, summary=first)

        text = send(admin, incident, late)

        assert "Somebody else has saved this post-mortem" in text and "From the admin." in text
        assert PostMortem.objects.get().summary == first


def test_the_preview_saves_nothing_and_runs_no_script(reporter: Person, incident: Incident) -> None:
    data = entered(reporter, incident, act="preview", summary="**Bold** <script>alert(1)</script>")

    body = reporter.client.post(page_of(incident), data).content.decode()

    assert "<strong>Bold</strong>" in body and "Preview; nothing is saved" in body
    assert "<script>alert" not in body
    assert not PostMortem.objects.exists()


def test_texts_that_cannot_be_shown_are_refused(reporter: Person, incident: Incident) -> None:
    assert "Shorten it to 20000" in save(reporter, incident, summary_ko="x" * 20_001)
    assert not PostMortem.objects.exists()


def test_viewers_read_it_with_its_timeline(viewer: Person, incident: Incident) -> None:
    Transition.objects.create(
        service_id="payments",
        from_status="o",
        to_status="mo",
        cause="failed",
        edge_end_at=START,
        created_at=START,
    )
    make_update(incident=incident, created_at=START + MINUTE, message="We **look**.", is_customer_visible=False)
    Span.objects.create(kind="maintenance", since=START - 10 * MINUTE, until=START, reason="New disks")
    post_mortem = PostMortem.objects.create(incident=incident, summary="A *disk* failed.", notes="Vendor: Z")
    FollowUp.objects.create(post_mortem=post_mortem, text="Replace the disks", due_on=START.date())

    body = viewer.client.get(page_of(incident)).content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", body).split())

    assert "<em>disk</em>" in body and "<strong>look</strong>" in body
    assert "11:00:00 Down Payments" in text and "not shown to customers" in text
    assert "2025-03-09 10:50:00 Maintenance All services – 2025-03-09 11:00" in text
    assert "Vendor: Z" in text and "Replace the disks" in text
    assert "<textarea" not in body
    assert viewer.client.post(page_of(incident), {"act": "save", "summary": "x"}).status_code == 403


def test_an_incident_leads_to_its_post_mortem(viewer: Person, incident: Incident) -> None:
    body = viewer.client.get(f"/admin/incidents/incident/{incident.pk}/change/").content.decode()

    assert f'href="{page_of(incident)}"' in body
    assert viewer.client.get("/admin/incidents/incident/999999999999/post-mortem/").status_code == 404
