"""Incidents, updates, templates, post-mortems and findings over the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person
from incidents.models import AffectedService, Finding, Incident, IncidentUpdate
from incidents.tests.factories import make_incident, make_update
from monitoring.api.tests.api_client import Program, error_of, fields_of
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(reporter: Person) -> Program:
    return Program.of(reporter)


def open_incident(**values: Any) -> Incident:
    return make_incident(started_at=timezone.now() - timedelta(minutes=10), **values)


def test_an_incident_is_created_with_services_and_a_first_update(program: Program, reporter: Person) -> None:
    make_service("payments")

    answer = program.post(
        "incidents",
        {
            "title": "Payments fail",
            "title_translations": {"ko": "결제 오류"},
            "priority": "P1",
            "services": {"payments": "major"},
            "update": {"status": "investigating", "message": "We are looking into it."},
        },
    )

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["services"], made["is_draft"], made["created_by"]) == (
        {"payments": "major"},
        False,
        str(reporter.user),
    )
    assert made["first_update_at"] is not None
    assert program.get(answer.headers["Location"].partition("/api/v1/")[2]).headers["ETag"] == answer.headers["ETag"]


def test_lists_leave_drafts_out_unless_asked(program: Program) -> None:
    shown, draft = open_incident(), open_incident(is_draft=True)
    dismissed = open_incident(is_draft=True, dismissed_at=timezone.now())

    def ids(query: str) -> list[int]:
        return [each["id"] for each in program.get(f"incidents{query}").json()["items"]]

    assert ids("") == [shown.pk]
    assert ids("?stage=draft") == [draft.pk]
    assert ids("?stage=dismissed") == [dismissed.pk]


def test_a_list_is_read_page_by_page_in_a_fixed_number_of_queries(
    program: Program, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.API_RATE_LIMIT = 0
    service, now = make_service("payments"), timezone.now()
    for minutes in range(5):
        incident = make_incident(started_at=now - timedelta(minutes=minutes))
        AffectedService.objects.create(incident=incident, service=service)
    program.get("token")

    with django_assert_num_queries(3):
        page = program.get("incidents?limit=3&service=payments").json()
    rest = program.get(f"incidents?limit=3&service=payments&cursor={page['next_cursor']}").json()

    assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [3, 2, None]


def test_a_draft_is_decided_once(program: Program, admin: Person) -> None:
    incident = open_incident(is_draft=True)
    make_update(incident=incident, created_at=timezone.now(), published_at=None, is_proposed=True)

    published = program.post(f"incidents/{incident.pk}/publish")

    assert published.status_code == 200, published.content
    assert (published.json()["is_draft"], published.json()["first_update_at"] is not None) == (False, True)
    assert error_of(Program.of(admin).post(f"incidents/{incident.pk}/dismiss")) == (409, "ALREADY_PUBLISHED")


def test_a_change_of_an_older_version_is_refused(program: Program) -> None:
    incident = open_incident()
    tag = program.get(f"incidents/{incident.pk}").headers["ETag"]
    assert program.patch(f"incidents/{incident.pk}", {"title": "Cards fail"}, if_match=tag).status_code == 200

    answer = program.patch(f"incidents/{incident.pk}", {"title": "Payments fail"}, if_match=tag)

    assert error_of(answer) == (412, "PRECONDITION_FAILED")
    assert Incident.objects.get().title == "Cards fail"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "x", "services": {"none": "major"}}, "services"),
        ({"title": "x", "services": {"payments": "awful"}}, "payments"),
        ({"title": "x", "started_at": "2999-01-01T00:00:00Z"}, "started_at"),
        ({"title": "x", "started_at": "2025-01-01T00:00:00"}, "started_at"),
        ({"title": "x", "started_at": 1735689600}, "started_at"),
        ({"title": "x", "started_at": "0001-01-01T00:00:00+14:00"}, "started_at"),
        ({"title": "x", "is_draft": 0}, "is_draft"),
        ({"title": "x", "title_translations": {"xx": "y"}}, "title_translations"),
        ({"title": "x", "update": {"status": "resolved", "message": "y" * 102_400}}, "message"),
        ({"title": "x", "update": {"status": "over", "message": "y"}}, "status"),
        ({"title": "x", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_created(program: Program, body: dict[str, Any], field: str) -> None:
    make_service("payments")

    assert field in fields_of(program.post("incidents", body))

    assert not Incident.objects.exists()


def test_updates_set_the_status_and_a_resolved_incident_is_reopened_only_explicitly(program: Program) -> None:
    incident = open_incident()
    path = f"incidents/{incident.pk}"
    assert program.post(f"{path}/updates", {"status": "resolved", "message": "Fixed."}).status_code == 201

    refused = program.post(f"{path}/updates", {"status": "monitoring", "message": "Back."})
    reopened = program.post(f"{path}/reopen", {"message": "It is back."})

    assert error_of(refused) == (409, "INCIDENT_RESOLVED")
    assert (reopened.json()["status"], reopened.json()["resolved_at"]) == ("investigating", None)
    assert [each["message"] for each in program.get(f"{path}/updates").json()["items"]] == ["It is back.", "Fixed."]


def test_a_scheduled_update_can_be_withdrawn_and_a_published_one_corrected(program: Program) -> None:
    incident = open_incident()
    path = f"incidents/{incident.pk}/updates"
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    scheduled = program.post(path, {"status": "monitoring", "message": "Later.", "publish_at": later}).json()
    posted = program.post(path, {"status": "identified", "message": "A dsik."}).json()

    corrected = program.patch(f"{path}/{posted['id']}", {"message": "A disk."})

    assert (corrected.json()["message"], corrected.json()["edited_at"] is not None) == ("A disk.", True)
    assert error_of(program.patch(f"{path}/{scheduled['id']}", {"message": "x"})) == (409, "UPDATE_NOT_PUBLISHED")
    assert program.delete(f"{path}/{scheduled['id']}").status_code == 204
    assert error_of(program.delete(f"{path}/{posted['id']}")) == (409, "ALREADY_PUBLISHED")
    assert IncidentUpdate.objects.count() == 1


def test_an_update_is_created_once_per_idempotency_key(program: Program) -> None:
    path = f"incidents/{open_incident().pk}/updates"
    body = {"status": "identified", "message": "A disk."}

    first, second = (program.post(path, body, idempotency_key="abc-1") for _time in range(2))

    assert first.json() == second.json()
    assert IncidentUpdate.objects.count() == 1


def test_templates_are_kept_and_filled_in(program: Program) -> None:
    incident = open_incident(title="Payments fail")
    made = program.post("update_templates", {"name": "Begun", "message": "{title} since {since}."}).json()

    filled = program.get(f"incidents/{incident.pk}/filled_template/{made['id']}").json()

    assert filled["message"].startswith("Payments fail since ")
    assert error_of(program.post("update_templates", {"name": "Begun", "message": "x"})) == (409, "TEMPLATE_EXISTS")
    assert "message" in fields_of(program.post("update_templates", {"name": "Other", "message": "{nobody}"}))
    path, new = f"update_templates/{made['id']}", {"name": "Begun", "message": "New.", "status": "monitoring"}
    tag = program.get(path).headers["ETag"]
    assert error_of(program.put(path, new)) == (428, "PRECONDITION_REQUIRED")
    changed = program.put(path, new, if_match=tag)
    assert error_of(program.delete(path, if_match=tag)) == (412, "PRECONDITION_FAILED")
    assert changed.json()["status"] == "monitoring"
    assert [each["name"] for each in program.get("update_templates").json()["items"]] == ["Begun"]
    assert program.delete(f"update_templates/{made['id']}").status_code == 204
    assert error_of(program.get(f"update_templates/{made['id']}")) == (404, "TEMPLATE_NOT_FOUND")


def test_a_post_mortem_is_drafted_and_published_separately(program: Program, reporter: Person) -> None:
    assert reporter.user is not None
    now = timezone.now()
    incident = open_incident(status="resolved", resolved_at=now)
    path = f"incidents/{incident.pk}/post_mortem"
    action = {"text": "Alert on disks", "owner": reporter.user.username, "due_on": "2027-01-31", "is_done": False}
    assert error_of(program.get(path)) == (404, "POST_MORTEM_NOT_FOUND")

    draft = program.put(path, {"summary": "", "actions": [action]})
    refused = program.post(f"{path}/publish")
    rewritten = {"summary": "A disk failed.", "actions": [{**action, "is_done": True}]}
    assert error_of(program.put(path, rewritten)) == (428, "PRECONDITION_REQUIRED")
    program.put(path, rewritten, if_match=draft.headers["ETag"])
    assert error_of(program.post(f"{path}/publish", if_match=draft.headers["ETag"])) == (412, "PRECONDITION_FAILED")
    published = program.post(f"{path}/publish")

    assert (draft.json()["actions"], draft.json()["published_at"]) == ([action], None)
    assert "summary" in fields_of(refused)
    assert published.json()["published_at"] is not None
    assert published.json()["actions"][0]["is_done"]
    assert "actions" in fields_of(program.put(path, {"actions": [{"text": "x", "owner": "nobody"}]}, if_match="*"))


def test_findings_are_listed_and_explained_once(program: Program) -> None:
    finding = Finding.objects.create(
        kind="unmeasured", incident=open_incident(), told_at=timezone.now(), found_at=timezone.now()
    )
    path = f"findings/{finding.pk}/explain"

    (listed,) = program.get("findings?kind=unmeasured").json()["items"]
    explained = program.post(path, {"explanation": "A partner was affected."})

    assert (listed["id"], explained.status_code) == (finding.pk, 204)
    assert program.get("findings").json()["items"] == []
    assert error_of(program.post(path, {"explanation": "Again."})) == (409, "ALREADY_EXPLAINED")


def test_response_times_are_given_by_month(program: Program) -> None:
    open_incident(first_update_at=timezone.now())

    (month,) = program.get("response_times").json()

    assert (month["incidents"], month["missed_targets"]) == (1, 0)
    assert month["minutes_to_first_update"] == pytest.approx(10, abs=1)


@pytest.mark.parametrize("path", ["incidents/7", "incidents/7/updates", f"incidents/{10**30}", "update_templates/7"])
def test_what_does_not_exist_is_404(program: Program, path: str) -> None:
    assert program.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "incidents", {"title": "x"}),
        ("PATCH", "incidents/{id}", {"title": "x"}),
        ("POST", "incidents/{id}/publish", None),
        ("POST", "incidents/{id}/updates", {"status": "resolved", "message": "x"}),
        ("PUT", "incidents/{id}/post_mortem", {}),
        ("POST", "update_templates", {"name": "x", "message": "x"}),
        ("POST", "findings/refresh", None),
    ],
)
def test_viewers_and_tokens_that_only_read_change_nothing(
    viewer: Person, reporter: Person, method: str, path: str, body: Any
) -> None:
    incident = open_incident()

    for program in (Program.of(viewer), Program.of(reporter, "read")):
        assert program.call(method, path.format(id=incident.pk), body).status_code == 403
