"""Updates after they were written: publish now, change, cancel, correct; their preview and templates."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.tests.cast import Person
from incidents import reporting, scheduling
from incidents.models import AffectedService, Incident, IncidentUpdate, UpdateTemplate
from incidents.tests.factories import incident_form, make_incident, make_update
from monitoring.tests.factories import make_service

LIST = "/admin/incidents/incident/"
HOUR = timedelta(hours=1)


def opened(**values: Any) -> Incident:
    return make_incident(started_at=timezone.now().replace(microsecond=0) - HOUR, **values)


def scheduled(incident: Incident, **values: Any) -> IncidentUpdate:
    given = {"status": "monitoring", "message": "It runs again.", **values}
    update = IncidentUpdate(incident=incident, **given)
    scheduling.schedule(update, timezone.now() + HOUR, now=timezone.now())
    return update


def resolve(incident: Incident) -> None:
    with transaction.atomic():
        update = IncidentUpdate(incident=reporting.locked(incident.pk), status="resolved", message="Over.")
        reporting.post(update, who=None, now=timezone.now())


def page_of(person: Person, incident: Incident) -> str:
    return str(person.client.get(f"{LIST}{incident.pk}/change/").content.decode())


def act(person: Person, update: IncidentUpdate, what: str) -> str:
    url = f"{LIST}{update.incident_id}/updates/{update.pk}/act/"
    answer = person.client.post(url, {"act": what}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def send(person: Person, update: IncidentUpdate, **values: Any) -> str:
    answer = person.client.post(f"{LIST}{update.incident_id}/updates/{update.pk}/", values, follow=True)
    assert answer.status_code == 200
    update.refresh_from_db()
    return str(answer.content.decode())


def test_a_scheduled_update_is_published_now(reporter: Person) -> None:
    incident = opened()
    AffectedService.objects.create(incident=incident, service=make_service("payments"), impact="major")
    update = scheduled(incident, impacts={"payments": "degraded"})
    assert "Impact: Payments – Degraded performance" in page_of(reporter, incident)

    assert "The update was published." in act(reporter, update, "publish")

    update.refresh_from_db()
    assert (update.created_by, update.publish_at) == (reporter.user, None)
    assert Incident.objects.get().status == "monitoring"
    assert AffectedService.objects.get().impact == "degraded"
    assert "This update is published already. Correct its text instead." in act(reporter, update, "cancel")


def test_a_scheduled_update_is_cancelled(reporter: Person) -> None:
    update = scheduled(opened())

    assert "The update was cancelled." in act(reporter, update, "cancel")

    assert not IncidentUpdate.objects.exists()


def test_a_scheduled_update_is_changed(reporter: Person) -> None:
    update = scheduled(opened())
    at = timezone.localtime(timezone.now() + 2 * HOUR)
    when = {"publish_at_0": f"{at:%Y-%m-%d}", "publish_at_1": f"{at:%H:%M:%S}"}

    send(reporter, update, status="identified", message="Not yet.", message_ko="아직입니다.", **when)

    assert (update.status, update.message, update.message_translations) == (
        "identified",
        "Not yet.",
        {"ko": "아직입니다."},
    )
    assert (update.publish_at, update.published_at) == (at.replace(microsecond=0), None)
    assert not update.is_customer_visible

    send(reporter, update, status="identified", message="Now.")
    assert update.published_at is not None


def test_a_refused_update_says_why_and_may_reopen(reporter: Person) -> None:
    incident = opened()
    update = scheduled(incident)
    resolve(incident)
    assert scheduling.publish_due(timezone.now() + 2 * HOUR) == 0

    assert "This incident is resolved. Reopen it before you post another status." in page_of(reporter, incident)
    assert "Reopen it before you post" in act(reporter, update, "publish")
    assert Incident.objects.get().status == "resolved"

    act(reporter, update, "reopen")
    update.refresh_from_db()
    assert (Incident.objects.get().status, update.metadata) == ("monitoring", {})


def test_a_correction_keeps_the_former_wording_in_view(reporter: Person, admin: Person) -> None:
    incident = opened()
    update = make_update(incident=incident, created_at=timezone.now(), created_by=admin.user, message="Cards fail.")

    send(reporter, update, message="Cards of one bank fail.", message_ko="한 은행의 카드가 실패합니다.")

    assert (update.message, update.edited_by, update.created_by) == (
        "Cards of one bank fail.",
        reporter.user,
        admin.user,
    )
    page = page_of(reporter, incident)
    assert f"edited by {reporter.user}" in page
    assert "<p>Cards fail.</p>" in page and "<p>Cards of one bank fail.</p>" in page


def test_the_same_text_again_is_no_correction(reporter: Person) -> None:
    texts = {"message": "Cards fail.\n\n- of one bank", "message_translations": {"ko": "카드\n실패"}}
    update = make_update(incident=opened(), created_at=timezone.now(), **texts)

    send(reporter, update, message="Cards fail.\r\n\r\n- of one bank", message_ko="카드\r\n실패")

    assert (update.edited_at, update.wordings.count()) == (None, 0)


def test_a_scheduled_update_of_a_draft_keeps_a_time(reporter: Person) -> None:
    incident = opened(is_draft=True)
    update = scheduled(incident)

    assert "It waits until the incident is published." in page_of(reporter, incident)
    assert "The incident is a draft. Enter a time" in send(reporter, update, status="identified", message="Now.")
    assert "This incident is a draft. Publish it first." in act(reporter, update, "publish")

    assert (update.message, update.published_at) == ("It runs again.", None)


def test_two_corrections_at_once_do_not_overwrite_each_other(reporter: Person, admin: Person) -> None:
    update = make_update(incident=opened(), created_at=timezone.now(), message="Cards fail.")

    send(reporter, update, message="Cards of one bank fail.", seen="")
    page = send(admin, update, message="All cards fail.", seen="")

    assert f"{reporter.user} has just corrected this update." in page
    assert "<p>Cards of one bank fail.</p>" in page
    assert update.message == "Cards of one bank fail."
    assert update.edited_at is not None
    send(admin, update, message="All cards fail.", seen=update.edited_at.isoformat())
    assert update.message == "All cards fail."


@pytest.mark.parametrize(("text", "words"), [("", "This field is required."), ("x" * 20_001, "Shorten it to 20000.")])
def test_a_correction_that_cannot_be_shown_is_refused(reporter: Person, text: str, words: str) -> None:
    update = make_update(incident=opened(), created_at=timezone.now(), message="Cards fail.")

    assert words in send(reporter, update, message=text)

    assert update.message == "Cards fail."


def test_viewers_and_strangers_change_nothing(viewer: Person) -> None:
    incident = opened()
    said, later = make_update(incident=incident, created_at=timezone.now()), scheduled(incident)

    page = page_of(viewer, incident)
    assert "It runs again." in page and "Publish now" not in page and ">Correct<" not in page
    for update in (said, later):
        url = f"{LIST}{incident.pk}/updates/{update.pk}/"
        assert viewer.client.get(url).status_code == 403
        assert viewer.client.post(url, {"message": "No."}).status_code == 403
        assert viewer.client.post(f"{url}act/", {"act": "publish"}).status_code == 403
    assert viewer.client.post(f"{LIST}preview/", {"message": "No."}).status_code == 403
    assert viewer.client.post(f"{LIST}template/", {"template": "1"}).status_code == 403


def test_an_update_of_another_incident_is_not_found(reporter: Person) -> None:
    update, other = scheduled(opened()), opened(title="Search fails")

    assert reporter.client.get(f"{LIST}{other.pk}/updates/{update.pk}/").status_code == 404
    assert reporter.client.post(f"{LIST}{other.pk}/updates/{update.pk}/act/", {"act": "cancel"}).status_code == 404
    assert "“nonsense” is unknown. Use the buttons of the page." in act(reporter, update, "nonsense")


def test_the_preview_shows_each_language_as_customers_would_see_it(reporter: Person) -> None:
    values = incident_form("**Cards** fail.\n\n<script>x</script>", "identified", title_ko="결제 실패")
    page = reporter.client.post(f"{LIST}preview/", {**values, "updates-0-message_ko": "_카드_"}).content.decode()

    assert "<strong>Cards</strong> fail." in page and "<script>x" not in page
    assert 'lang="ko"' in page and "결제 실패" in page and "원인 파악" in page and "<em>카드</em>" in page
    assert "Customers would see:" in page
    assert not Incident.objects.exists()


def test_the_preview_says_what_is_wrong(reporter: Person) -> None:
    url = f"{LIST}preview/?incident={opened().pk}"

    assert "There is no message yet." in reporter.client.post(url, incident_form()).content.decode()
    page = reporter.client.post(url, incident_form("x" * 100_000)).content.decode()
    assert "This text has 100000 characters. Shorten it to 20000." in page
    assert len(page) < 100_000
    hidden = {**incident_form("Ticket 4711.")}
    del hidden["updates-0-is_customer_visible"]
    assert "An internal note" in reporter.client.post(url, hidden).content.decode()
    assert reporter.client.get(url).status_code == 405


def test_a_template_is_filled_with_what_the_form_says(reporter: Person) -> None:
    for name in ("payments", "search"):
        make_service(name)
    message = "{service}: {status} since {since} ({duration})."
    translations = {"ko": "{title} – {status}"}
    template = UpdateTemplate.objects.create(
        name="Fixed", status="monitoring", message=message, message_translations=translations
    )
    values = incident_form(title="Payments fail", title_ko="결제 실패", major_services=["search", "payments"])

    filled = reporter.client.post(f"{LIST}template/", {**values, "template": template.pk}).json()

    assert filled["status"] == "monitoring"
    assert filled["message"].startswith("Payments and Search: Monitoring since ")
    assert filled["message"].endswith(f"{values['started_at_1'][:5]} (30 min).")
    assert filled["message_ko"] == "결제 실패 – 경과 관찰 중"


@pytest.mark.parametrize("template", ["", "x", "123456", "9" * 40])
def test_a_template_that_does_not_exist_is_not_found(reporter: Person, template: str) -> None:
    assert reporter.client.post(f"{LIST}template/", {"template": template}).status_code == 404
