"""Drafts, decisions, scheduled updates and corrections of incidents."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from accounts.tests.cast import Person
from incidents import reporting, scheduling, update_templates
from incidents.corrections import correct
from incidents.models import AffectedService, Incident, IncidentUpdate, PostMortem, UpdateTemplate
from incidents.system_status import refresh
from incidents.targets import response_of
from incidents.tests.factories import make_incident, make_update
from monitoring.tests.factories import make_service

NOW = datetime(2025, 3, 9, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = pytest.mark.django_db


def draft(**values: Any) -> Incident:
    return make_incident(started_at=NOW - 10 * MINUTE, is_draft=True, **values)


def update_of(incident: Incident, status: str = "investigating", **values: Any) -> IncidentUpdate:
    return IncidentUpdate(incident=incident, status=status, message="We are looking into it.", **values)


def test_a_draft_is_on_no_public_surface() -> None:
    service = make_service("payments")
    incident = draft()
    AffectedService.objects.create(incident=incident, service=service)
    make_update(incident=incident, created_at=NOW)

    row = refresh(NOW)
    assert (row.active_incidents, row.last_incident_at) == (0, None)
    assert not Incident.objects.touching(service, NOW - timedelta(days=1), NOW + timedelta(days=1)).exists()
    assert not IncidentUpdate.objects.public().exists()


def test_publishing_a_draft_publishes_the_proposed_update(reporter: Person) -> None:
    incident = draft(is_automatic=True)
    make_update(incident=incident, created_at=NOW - MINUTE, published_at=None, is_proposed=True)

    with transaction.atomic():
        reporting.publish_incident(reporting.locked(incident.pk), who=reporter.user, now=NOW)

    incident.refresh_from_db()
    assert (incident.published_by, incident.first_update_at, incident.acknowledged_by) == (
        reporter.user,
        NOW,
        reporter.user,
    )
    assert IncidentUpdate.objects.public().get().message == "We are looking into it."


@pytest.mark.parametrize("decide", [reporting.publish_incident, reporting.dismiss])
def test_the_second_decision_about_a_draft_names_who_decided_first(
    reporter: Person, admin: Person, decide: Any
) -> None:
    incident = draft()
    with transaction.atomic():
        decide(reporting.locked(incident.pk), who=reporter.user, now=NOW)

    with pytest.raises(ValidationError, match=f"{reporter.user} has already"), transaction.atomic():
        reporting.publish_incident(reporting.locked(incident.pk), who=admin.user, now=NOW + MINUTE)


def test_an_update_to_a_resolved_incident_does_not_reopen_it_by_itself() -> None:
    incident = make_incident(started_at=NOW - MINUTE, status="resolved", resolved_at=NOW)

    with pytest.raises(ValidationError, match="Reopen it before"):
        reporting.post(update_of(incident, "investigating"), who=None, now=NOW + MINUTE)
    reporting.post(update_of(incident, "investigating"), who=None, now=NOW + MINUTE, reopens=True)

    assert Incident.objects.get().resolved_at is None


def test_an_update_changes_the_impact_of_the_services_in_it_alone() -> None:
    incident = make_incident(started_at=NOW)
    for name in ("cards", "payments"):
        AffectedService.objects.create(incident=incident, service=make_service(name), impact="major")

    reporting.post(update_of(incident, impacts={"cards": "degraded"}), who=None, now=NOW + MINUTE)

    assert dict(AffectedService.objects.values_list("service_id", "impact")) == {
        "cards": "degraded",
        "payments": "major",
    }


def test_a_scheduled_update_takes_effect_when_it_is_due(reporter: Person) -> None:
    incident = make_incident(started_at=NOW)
    scheduling.schedule(update_of(incident, "monitoring", created_by=reporter.user), NOW + timedelta(hours=1), now=NOW)

    assert scheduling.publish_due(NOW + 59 * MINUTE) == 0
    assert not IncidentUpdate.objects.public().exists()
    assert scheduling.publish_due(NOW + 60 * MINUTE) == 1
    assert scheduling.publish_due(NOW + 61 * MINUTE) == 0

    incident.refresh_from_db()
    assert (incident.status, incident.updates.get().created_by) == ("monitoring", reporter.user)


def test_a_scheduled_update_of_an_incident_resolved_meanwhile_says_why_it_was_not_published() -> None:
    incident = make_incident(started_at=NOW)
    scheduling.schedule(update_of(incident, "monitoring"), NOW + 5 * MINUTE, now=NOW)
    reporting.post(update_of(incident, "resolved"), who=None, now=NOW + MINUTE)

    assert scheduling.publish_due(NOW + 6 * MINUTE) == 0
    assert scheduling.publish_due(NOW + 7 * MINUTE) == 0

    waiting = IncidentUpdate.objects.get(published_at=None)
    assert "Reopen it before" in waiting.metadata["refused"]
    incident.refresh_from_db()
    assert incident.status == "resolved"


def test_a_scheduled_update_of_a_draft_waits_for_the_draft() -> None:
    incident = draft()
    scheduling.schedule(update_of(incident), NOW + MINUTE, now=NOW)

    assert scheduling.publish_due(NOW + 2 * MINUTE) == 0


def test_a_time_that_has_passed_cannot_be_scheduled() -> None:
    with pytest.raises(ValidationError, match="2025-03-09 12:00 UTC has passed"):
        scheduling.schedule(update_of(make_incident(started_at=NOW)), NOW, now=NOW)


def test_a_correction_keeps_each_wording_with_its_author_and_times(reporter: Person, admin: Person) -> None:
    update = make_update(incident=make_incident(started_at=NOW), created_at=NOW, created_by=reporter.user)

    correct(update.pk, "Cards fail.", {"ko": "카드 오류입니다."}, who=admin.user, now=NOW + MINUTE)
    correct(update.pk, "Cards fail.", {"ko": "카드 오류입니다."}, who=reporter.user, now=NOW + 2 * MINUTE)
    update = correct(update.pk, "All cards fail.", {}, who=reporter.user, now=NOW + 3 * MINUTE)

    kept = update.wordings.order_by("written_at").values_list("message", "author", "written_at", "replaced_at")
    assert list(kept) == [
        ("We are looking into it.", reporter.user.pk, NOW, NOW + MINUTE),
        ("Cards fail.", admin.user.pk, NOW + MINUTE, NOW + 3 * MINUTE),
    ]
    assert (update.message, update.edited_by, update.created_at) == ("All cards fail.", reporter.user, NOW)


@pytest.mark.parametrize(("message", "words"), [(" \n", "cannot become empty"), ("x" * 20_001, "Shorten it to 20000")])
def test_a_correction_that_cannot_be_shown_changes_nothing(message: str, words: str) -> None:
    update = make_update(incident=make_incident(started_at=NOW), created_at=NOW)

    with pytest.raises(ValidationError, match=words):
        correct(update.pk, message, {}, who=None, now=NOW)

    update.refresh_from_db()
    assert (update.message, update.wordings.count()) == ("We are looking into it.", 0)


def test_a_template_is_filled_in_each_language() -> None:
    incident = make_incident(started_at=NOW - 64 * MINUTE)
    for name in ("cards", "payments"):
        AffectedService.objects.create(incident=incident, service=make_service(name, display_name=name.title()))
    template = UpdateTemplate(
        name="Begun",
        message="{service} fail since {since} ({duration}), {unknown}.",
        message_translations={"ko": "{service}: {duration}"},
    )

    message, translations = update_templates.fill_in_each_language(template, incident, NOW, BERLIN)

    assert message == "Cards and Payments fail since 11:56 (1 h 04 min), {unknown}."
    assert translations == {"ko": "Cards, Payments: 1시간 4분"}


@pytest.mark.parametrize("text", ["{servce} fails", "{service.__class__}", "{0}", "{}"])
def test_a_variable_that_does_not_exist_is_named(text: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a variable.*The variables are {service}, {title}"):
        update_templates.validate(text)


@pytest.mark.parametrize(
    ("priority", "told_after", "resolved_after", "is_missed"),
    [
        ("P1", timedelta(minutes=15), None, False),
        ("P1", timedelta(minutes=15, seconds=1), None, True),
        ("P2", None, timedelta(minutes=59), False),
        ("P2", None, timedelta(minutes=61), True),
        ("P3", None, None, False),
        ("P4", timedelta(hours=24), None, False),
    ],
)
def test_the_response_target_ends_with_the_first_public_update(
    priority: str, told_after: timedelta | None, resolved_after: timedelta | None, is_missed: bool
) -> None:
    found = response_of(
        priority,
        NOW,
        NOW + told_after if told_after else None,
        NOW + resolved_after if resolved_after else None,
        NOW + timedelta(hours=2),
    )

    assert found.is_missed is is_missed


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_publish_at_once_one_is_told(reporter: Person, admin: Person) -> None:
    incident = draft()
    start, refused = Barrier(2), []

    def publish(person: Person) -> None:
        start.wait()
        try:
            with transaction.atomic():
                reporting.publish_incident(reporting.locked(incident.pk), who=person.user, now=NOW)
        except ValidationError as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [Thread(target=publish, args=[person]) for person in (reporter, admin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refused == ["published"]


def test_what_was_scheduled_before_the_end_is_not_said_after_reopening() -> None:
    incident = make_incident(started_at=NOW)
    later = IncidentUpdate(incident=incident, status="monitoring", message="Stable.")
    scheduling.schedule(later, NOW + 60 * MINUTE, now=NOW)
    reporting.post(IncidentUpdate(incident=incident, status="resolved", message="Done."), who=None, now=NOW)
    reporting.post(
        IncidentUpdate(incident=incident, status="investigating", message="Again."), who=None, now=NOW, reopens=True
    )

    scheduling.publish_due(NOW + 60 * MINUTE)

    later.refresh_from_db()
    assert later.published_at is None
    assert "resolved" in later.metadata["refused"]


def test_reopening_takes_the_post_mortem_back() -> None:
    incident = make_incident(started_at=NOW)
    reporting.post(IncidentUpdate(incident=incident, status="resolved", message="Done."), who=None, now=NOW)
    post_mortem = PostMortem.objects.create(incident=incident, summary="A cable broke.", published_at=NOW)

    reporting.post(
        IncidentUpdate(incident=incident, status="investigating", message="Again."), who=None, now=NOW, reopens=True
    )

    post_mortem.refresh_from_db()
    assert (post_mortem.published_at, post_mortem.summary) == (None, "A cable broke.")
