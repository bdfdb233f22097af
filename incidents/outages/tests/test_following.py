"""Confirmed outages become incidents, which go on as the outages do."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.tests.cast import Person, make_person
from incidents import reporting
from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.outages import evidence, following
from incidents.outages.tests.outages import at, change, fail, followed, proposal, recover, run
from monitoring.accounting import ledger
from monitoring.engine import recording
from monitoring.models import Service, TransitionClaim
from monitoring.rules.sla import Kind
from monitoring.tests.factories import START, make_result, make_service

pytestmark = pytest.mark.django_db
# With four for savepoints, as the tests run in a transaction.
QUERIES_OF_STORM, QUERIES_OF_RECOVERY = 17, 18


def publish(incident: Incident, who: Person, seconds: float) -> Incident:
    with transaction.atomic():
        reporting.publish_incident(reporting.locked(incident.pk), who=who.user, now=at(seconds))
    incident.refresh_from_db()
    return incident


def resolve(incident: Incident, who: Person, seconds: float) -> Incident:
    with transaction.atomic():
        locked = reporting.locked(incident.pk)
        update = IncidentUpdate(incident=locked, status="resolved", message="Well again.")
        reporting.post(update, who=who.user, now=at(seconds))
    incident.refresh_from_db()
    return incident


def test_an_outage_is_drafted_with_what_was_measured() -> None:
    make_service("other")
    make_service("third")
    make_service(is_critical=False, regions=["seoul", "tokyo"], quorum=1)
    results = [make_result(0, region="seoul"), make_result(0, region="tokyo")]
    results += [make_result(60, "bad", region="seoul")]
    results += [make_result(60, region="tokyo"), make_result(65, "bad", region="seoul")]
    for result in results:
        recording.record([result], START + timedelta(seconds=66))

    run(66)

    incident = Incident.objects.drafts().get()
    assert (incident.title, incident.title_translations) == ("Payments is not available", {"ko": "Payments 이용 불가"})
    assert (incident.severity, incident.priority, incident.status) == ("medium", "P3", "investigating")
    assert (incident.started_at, incident.detected_at, incident.is_automatic) == (at(60), at(66), True)
    row = AffectedService.objects.get()
    assert (row.impact, row.is_followed, row.failed_at, row.recovered_at) == ("major", True, at(60), None)
    known = row.evidence
    assert (known["last_good_at"], known["first_bad_at"]) == (at(0).isoformat(), at(60).isoformat())
    assert (known["error_type"], known["message"]) == ("connection_error", "connection refused by 10.0.0.5:443")
    assert known["regions"] == {"seoul": "bad", "tokyo": "ok"}
    assert [(check["region"], check["verdict"]) for check in known["checks"]] == [
        ("seoul", "ok"),
        ("tokyo", "ok"),
        ("seoul", "bad"),
        ("tokyo", "ok"),
        ("seoul", "bad"),
    ]
    said = proposal(incident)
    assert said.message == "Payments has not been available since 10 March 2025, 00:01 UTC. We are looking into it."
    assert said.message_translations.keys() == {"ko"}


def test_recovery_proposes_the_closing_update_with_its_times(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=60)
    run(65)
    incident = publish(Incident.objects.get(), reporter, seconds=120)
    assert incident.first_update_at == at(120)

    recover("payments", seconds=660)
    run(670)

    said = proposal(incident)
    assert said.status == "resolved"
    assert said.message == (
        "Payments is available again. The outage lasted from 10 March 2025, 00:01 UTC to 00:11 UTC (10 min)."
    )
    incident.refresh_from_db()
    assert incident.status == "investigating"
    said.incident = incident
    reporting.post(said, who=reporter.user, now=at(3600))
    assert (incident.resolved_at, incident.duration_minutes) == (at(660), 10)
    run(3700)
    assert followed() == {}


def test_a_draft_that_recovers_says_both_in_one_update(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=60)
    run(65)
    recover("payments", seconds=660)
    run(670)

    incident = publish(Incident.objects.get(), reporter, seconds=700)

    assert [update.message for update in incident.updates.all()] == [
        "Payments was not available from 10 March 2025, 00:01 UTC to 00:11 UTC (10 min). The outage is over."
    ]
    assert (incident.status, incident.resolved_at, incident.resolved_by) == ("resolved", at(660), reporter.user)


def test_an_outage_that_began_and_ended_before_the_run_is_drafted_too() -> None:
    make_service()
    fail("payments", seconds=60)
    recover("payments", seconds=120)

    run(130)

    row = AffectedService.objects.get()
    assert (row.failed_at, row.recovered_at) == (at(60), at(120))
    assert proposal(row.incident).status == "resolved"


def test_outages_shorter_than_the_minimum_are_not_drafted(settings: Settings) -> None:
    settings.INCIDENT_DRAFT_AFTER_SECONDS = 120
    make_service()
    fail("payments", seconds=60)
    run(70)
    recover("payments", seconds=179)
    run(200)
    assert not Incident.objects.exists()

    fail("payments", seconds=300)
    run(310)
    assert not Incident.objects.exists()
    run(420)
    assert AffectedService.objects.get().failed_at == at(300)


def test_an_outage_that_lasted_while_nothing_ran_is_drafted_when_its_end_is_handled(settings: Settings) -> None:
    settings.INCIDENT_DRAFT_AFTER_SECONDS = 120
    make_service()
    fail("payments", seconds=60)
    run(70)
    recover("payments", seconds=180)
    run(190)

    row = AffectedService.objects.get()
    assert (row.failed_at, row.recovered_at) == (at(60), at(180))


def test_a_relapse_of_an_open_incident_withdraws_its_closing_update(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)
    incident = publish(Incident.objects.get(), reporter, seconds=10)
    recover("payments", seconds=60)
    run(65)
    assert proposal(incident).status == "resolved"

    fail("payments", seconds=120)
    run(125)

    assert proposal(incident) is None
    incident.refresh_from_db()
    assert incident.metadata["relapses"] == 1
    recover("payments", seconds=180)
    run(185)
    assert "several outages between" in proposal(incident).message
    assert Incident.objects.count() == 1
    assert AffectedService.objects.get().evidence["relapses"] == [at(120).isoformat()]


def test_a_relapse_soon_after_the_end_proposes_to_reopen(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)
    incident = publish(Incident.objects.get(), reporter, seconds=10)
    recover("payments", seconds=60)
    run(65)
    resolve(incident, reporter, seconds=90)
    assert proposal(incident) is None

    fail("payments", seconds=600)
    run(605)

    assert Incident.objects.get().status == "resolved"
    said = proposal(incident)
    assert (said.status, said.metadata) == ("investigating", {"reopens": True})
    with pytest.raises(ValidationError), transaction.atomic():
        reporting.post(said, who=reporter.user, now=at(620))
    recover("payments", seconds=660)
    run(665)
    assert proposal(incident) is None


def test_a_failure_long_after_the_end_is_another_incident(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)
    incident = publish(Incident.objects.get(), reporter, seconds=10)
    recover("payments", seconds=60)
    run(65)
    resolve(incident, reporter, seconds=90)

    fail("payments", seconds=90 + 1800)
    run(95 + 1800)

    assert Incident.objects.count() == 2
    assert followed() == {"payments": Incident.objects.drafts().get().pk}


def test_a_dismissed_draft_is_not_drafted_again_for_the_same_outage(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)
    with transaction.atomic():
        reporting.dismiss(reporting.locked(Incident.objects.get().pk), who=reporter.user, now=at(10))
    change("nd", "payments", seconds=60)
    run(65)
    fail("payments", seconds=120)
    run(125)
    assert Incident.objects.count() == 1

    recover("payments", seconds=180)
    run(185)
    fail("payments", seconds=240)
    run(245)

    assert Incident.objects.count() == 2
    assert followed() == {"payments": Incident.objects.drafts().get().pk}


def test_mode_publish_tells_customers_without_anybody(django_assert_num_queries: Any) -> None:
    make_service(incident_mode="publish")
    fail("payments", seconds=0)
    run(5)

    incident = Incident.objects.published().get()
    assert (incident.published_by, incident.acknowledged_at, incident.first_update_at) == (None, None, at(5))
    recover("payments", seconds=600)
    run(605)
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_at, incident.resolved_by) == ("resolved", at(600), None)

    fail("payments", seconds=900)
    run(905)
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_at) == ("investigating", None)
    assert [update.status for update in reporting.said(incident)] == ["investigating", "resolved", "investigating"]


def test_the_monitor_does_not_close_what_people_write_about(reporter: Person) -> None:
    make_service(incident_mode="publish")
    fail("payments", seconds=0)
    run(5)
    incident = Incident.objects.get()
    with transaction.atomic():
        update = IncidentUpdate(incident=reporting.locked(incident.pk), status="identified", message="A queue is full.")
        reporting.post(update, who=reporter.user, now=at(60))

    recover("payments", seconds=600)
    run(605)

    incident.refresh_from_db()
    assert incident.status == "identified"
    assert proposal(incident).status == "resolved"


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"incident_mode": "off"}, "off"), ({"is_active": False}, "paused"), ({"archived_at": START}, "archived")],
)
def test_an_outage_that_nobody_follows_any_more_is_over(reporter: Person, fields: dict[str, Any], why: str) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)
    incident = publish(Incident.objects.get(), reporter, seconds=10)

    Service.objects.update(**fields)
    run(60)

    row = AffectedService.objects.get()
    assert row.evidence["stopped"] == {"at": at(60).isoformat(), "why": why}
    assert proposal(incident).message == "This incident is closed: Payments is no longer checked."
    resolve(incident, reporter, seconds=90)
    run(90 + 1800)
    assert followed() == {}


def test_the_draft_of_a_service_that_is_archived_proposes_to_close_it(reporter: Person) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)
    Service.objects.update(archived_at=at(50))
    run(60)

    incident = Incident.objects.drafts().get()
    assert (proposal(incident).status, proposal(incident).message) == (
        "resolved",
        "This incident is closed: Payments is no longer checked.",
    )
    publish(incident, reporter, seconds=70)
    run(70 + 1800)
    assert (incident.status, followed()) == ("resolved", {})


def test_nothing_is_drafted_for_services_in_mode_off() -> None:
    make_service(incident_mode="off")
    fail("payments", seconds=0)
    run(5)

    assert not Incident.objects.exists()
    assert not TransitionClaim.objects.filter(consumer="incidents", done_at=None).exists()

    Service.objects.update(incident_mode="draft")
    run(60)
    assert AffectedService.objects.get().failed_at == at(0)


def test_children_join_the_incident_of_their_parent_while_it_is_down() -> None:
    make_service("platform")
    make_service("api", parent_id="platform")
    make_service("login", parent_id="api")
    fail("platform", seconds=0)
    run(5)

    fail("login", seconds=3600)
    run(3605)

    incident = Incident.objects.get()
    assert set(followed().values()) == {incident.pk}
    assert incident.title == "Platform is not available"


def test_a_child_that_fails_while_its_parent_is_down_is_told_once_and_counted_as_ever(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    caplog.set_level("INFO", logger="observability.events")
    make_service("platform")
    make_service("child", parent_id="platform")
    make_service("alone")
    Service.objects.update(created_at=START)
    fail("platform", seconds=0)
    with django_capture_on_commit_callbacks(execute=True):
        run(5)
    incident = publish(Incident.objects.get(), make_person("reporter"), seconds=10)

    for minute in range(0, 10):
        for id in ("child", "alone"):
            verdict = "bad" if 2 <= minute < 6 else "ok"
            recording.record([make_result(minute * 60, verdict, service_id=id)], at(minute * 60 + 1))
        with django_capture_on_commit_callbacks(execute=True):
            run(minute * 60 + 2)

    opened = [each for each in caplog.records if getattr(each, "event", "") == "incident.opened"]
    assert [each.incident_id for each in opened] == [incident.pk, Incident.objects.drafts().get().pk]  # type: ignore[attr-defined]
    row = AffectedService.objects.get(service="child")
    assert (row.incident_id, row.failed_at, row.recovered_at) == (incident.pk, at(120), at(360))
    assert [update.message for update in incident.updates.published()] == [proposal_text("Platform")]
    assert _figures("child") == _figures("alone") and _figures("child")[Kind.DOWN] > 0


def proposal_text(name: str) -> str:
    return f"{name} has not been available since 10 March 2025, 00:00 UTC. We are looking into it."


def _figures(service_id: str) -> Any:
    service = Service.objects.get(pk=service_id)
    return ledger.read(service, START, at(600), at(600), UTC).official.seconds


def test_services_of_a_group_that_fail_together_are_one_incident() -> None:
    for name in ("card", "bank"):
        make_service(name, group_name="Payments")
    for number in range(10):
        make_service(f"other-{number}")
    fail("card", seconds=0)
    run(5)
    fail("bank", seconds=100)
    run(105)

    incident = Incident.objects.get()
    assert incident.title == "2 services of Payments are not available"
    assert (incident.severity, incident.priority, incident.started_at) == ("high", "P2", at(0))
    assert {row.service_id: row.evidence["siblings"] for row in AffectedService.objects.all()} == {
        "card": [],
        "bank": ["card"],
    }


def test_a_storm_swallows_untouched_drafts_and_no_edited_one(reporter: Person) -> None:
    ids = [f"s-{number:02}" for number in range(30)]
    for id in ids:
        make_service(id)
    fail("s-00", seconds=0)
    fail("s-01", seconds=2)
    run(5)
    edited = Incident.objects.get(affected_services="s-00")
    Incident.objects.filter(pk=edited.pk).update(title="Search is slow")

    fail(*ids[2:11], seconds=20)
    run(25)

    storm = followed()["s-05"]
    assert followed() == {"s-00": edited.pk, **dict.fromkeys(ids[1:11], storm)}
    assert Incident.objects.get(pk=storm).title == "10 services are not available"
    fail(*ids[11:], seconds=60)
    run(65)
    assert set(followed().values()) == {edited.pk, storm}
    merged = Incident.objects.exclude(dismissed_at=None)
    assert {each.metadata["merged_into"] for each in merged} <= {storm}
    assert not IncidentUpdate.objects.filter(incident__in=merged, is_proposed=True).exists()


def test_drafts_that_failed_before_the_storm_was_one_are_merged() -> None:
    ids = [f"s-{number:02}" for number in range(30)]
    for number, id in enumerate(ids):
        make_service(id)
        if number < 10:
            fail(id, seconds=number)
            run(number + 5)

    drafts = Incident.objects.drafts()
    assert [each.title for each in drafts] == ["10 services are not available"]
    assert Incident.objects.filter(metadata__merged_into=drafts.get().pk, dismissed_by=None).count() == 8
    assert set(AffectedService.objects.values_list("incident", flat=True)) == {drafts.get().pk}


def test_a_service_that_a_person_took_off_does_not_come_back(reporter: Person) -> None:
    for name in ("card", "bank"):
        make_service(name, group_name="Payments")
    fail("card", "bank", seconds=0)
    run(5)
    incident = Incident.objects.get()
    with transaction.atomic():
        reporting.affect(reporting.locked(incident.pk), {"card": "major"})

    run(10)

    assert followed()["card"] == incident.pk
    assert followed()["bank"] != incident.pk


def test_a_clock_that_was_set_back_ends_no_outage_before_it_began() -> None:
    make_service()
    fail("payments", seconds=3600)
    run(0)
    recover("payments", seconds=1800)
    run(10)

    row = AffectedService.objects.get()
    assert (row.failed_at, row.recovered_at) == (at(3600), at(3600))


def test_a_run_that_was_killed_left_nothing_and_lost_nothing() -> None:
    make_service()
    fail("payments", seconds=0)
    with transaction.atomic():
        following.follow(at(5))
        assert Incident.objects.count() == 1
        transaction.set_rollback(True)
    assert not Incident.objects.exists()

    run(10)
    run(15)

    assert Incident.objects.count() == 1
    assert IncidentUpdate.objects.count() == 1


def test_lost_claims_are_made_up_for_by_the_statuses() -> None:
    make_service()
    fail("payments", seconds=0)
    TransitionClaim.objects.all().delete()
    run(5)
    assert followed().keys() == {"payments"}

    recover("payments", seconds=60)
    TransitionClaim.objects.all().delete()
    run(65)
    assert AffectedService.objects.get().recovered_at == at(60)


def test_a_deployment_before_the_outage_is_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_deployments", [])
    evidence.register_deployments(lambda failed: {id: {"version": "1.2"} for id in failed})
    make_service()
    fail("payments", seconds=0)
    run(5)

    assert AffectedService.objects.get().evidence["deployment"] == {"version": "1.2"}


@pytest.mark.parametrize("number", [20, 200])
def test_a_storm_takes_the_same_queries_however_large(number: int, django_assert_num_queries: Any) -> None:
    ids = [f"s-{each}" for each in range(number)]
    Service.objects.bulk_create(Service(id=id, name=id, display_name=id, endpoint_url="http://a/") for id in ids)
    fail(*ids, seconds=0)

    with django_assert_num_queries(QUERIES_OF_STORM):
        following.follow(at(5))
    recover(*ids, seconds=60)
    with django_assert_num_queries(QUERIES_OF_RECOVERY):
        following.follow(at(65))

    assert Incident.objects.count() == 1
    assert AffectedService.objects.filter(is_followed=True).count() == number


def test_a_run_without_news_reads_little(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)

    with django_assert_num_queries(12):
        following.follow(at(10))


def test_a_call_for_transitions_that_others_have_handled_reads_no_incidents(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_service()
    fail("payments", seconds=0)
    run(5)

    with django_assert_num_queries(8):
        assert not following.follow(at(10), is_for_transitions=True)
