"""The text of the page in each overall state."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from pytest_django import Settings

from database import changes
from incidents.models import IncidentStatus, SystemStatus
from incidents.tests.factories import make_incident, make_update
from monitoring.models import Service
from monitoring.rules.state import Status
from statuspage import readmodel
from statuspage.tests.cast import NOW, make_service, make_unmeasured


def text_of(response: Any) -> str:
    """Return the text of a page as a visitor reads it."""
    body = re.search(r"<main.*</footer>", response.content.decode(), re.DOTALL)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_all_is_well(visit: Any) -> None:
    make_service("Payments")
    make_service("Search", response_ms=1240)

    text = text_of(visit())

    assert "All systems operational" in text
    assert "Payments Operational 84 ms checked 12 s ago" in text
    assert "Search Operational 1.24 s checked 12 s ago" in text
    assert "Updated 14:25:00 UTC" in text


def test_sample_data_is_called_that(visit: Any) -> None:
    make_service("Payments", metadata={"sample_until": "2025-03-09T08:15:00+00:00"})

    assert "This is a demonstration: everything before 08:15 is sample data." in text_of(visit())


@pytest.mark.parametrize("written", ["yesterday", "2025-03-09", 7, None])
def test_sample_mark_that_is_no_instant_breaks_nothing(visit: Any, written: int | str | None) -> None:
    make_service("Payments", metadata={"sample_until": written})

    assert "demonstration" not in text_of(visit())


def test_one_service_down_is_named_with_its_begin(visit: Any) -> None:
    make_service("Payments", Status.DOWN, since=timedelta(minutes=23), response_ms=None)
    make_service("Search")

    text = text_of(visit())

    assert "Payments has been down since 14:02 (23 min)" in text
    assert "Payments Down checked 12 s ago" in text


def test_an_outage_since_yesterday_carries_its_date(visit: Any) -> None:
    make_service("Payments", Status.DOWN, since=timedelta(hours=27, minutes=4))

    assert "Payments has been down since 8 March 2025, 11:21 (1 d 3 h)" in text_of(visit())


def test_two_services_down_are_both_named(visit: Any) -> None:
    make_service("Payments", Status.DOWN)
    make_service("Search", Status.DOWN)

    assert "Payments and Search are down" in text_of(visit())


def test_many_services_down_are_counted(visit: Any) -> None:
    for number in range(5):
        make_service(f"Service {number}", Status.DOWN if number else Status.OPERATIONAL)

    assert "4 of 5 services are down" in text_of(visit())


@pytest.mark.parametrize(("is_critical", "tone"), [(False, "partial"), (True, "major")])
def test_band_is_red_when_the_whole_counts_as_an_outage(visit: Any, is_critical: bool, tone: str) -> None:
    make_service("Payments", Status.DOWN, is_critical=is_critical)
    make_service("Search")
    make_service("Login")

    assert f'class="banner is-{tone}"' in visit().content.decode()


def test_slow_services_are_degraded(visit: Any) -> None:
    make_service("Payments", Status.PARTIAL)
    assert "Payments is degraded" in text_of(visit())

    make_service("Search", Status.PARTIAL)
    assert "Some services are degraded" in text_of(visit(after_s=5))


def test_silence_overrules_the_stored_status(visit: Any) -> None:
    make_service("Payments", age=timedelta(minutes=23), stale_in=timedelta(0))
    make_service("Search")

    text = text_of(visit())

    assert "We are not receiving measurements of Payments" in text
    assert "Payments No data not measured since 14:02" in text
    assert "Search Operational" in text


def test_silence_of_all_is_our_fault(visit: Any) -> None:
    make_service("Payments", Status.DOWN, age=timedelta(minutes=23), stale_in=timedelta(minutes=-1))
    make_service("Search", age=timedelta(minutes=30), stale_in=timedelta(minutes=-1))

    assert "We are not receiving measurements (the last one at 14:02)" in text_of(visit())


def test_never_measured_is_no_data_yet(visit: Any) -> None:
    make_unmeasured("Payments")

    text = text_of(visit())

    assert "Waiting for the first measurements" in text
    assert "Payments No data yet waiting for the first check" in text


def test_without_services_the_page_says_what_to_do_next(visit: Any) -> None:
    text = text_of(visit())

    assert "Nothing is monitored yet" in text
    assert "manage.py sync_services services.yaml" in text


def test_without_services_an_installed_package_names_its_own_command(visit: Any, settings: Settings) -> None:
    settings.PROGRAM_NAME = "slamonitor"

    text = text_of(visit())

    assert " slamonitor sync_services services.yaml" in text
    assert "manage.py" not in text


def test_inactive_services_are_not_shown(visit: Any) -> None:
    make_service("Payments")
    make_service("Old", is_active=False)

    assert "Old" not in text_of(visit())


def test_open_incident_shows_its_newest_visible_update(visit: Any) -> None:
    make_service("Payments")
    incident = make_incident(title="Payments fail", started_at=NOW - timedelta(minutes=20))
    for minutes, message, is_visible in [(15, "older", True), (10, "newest", True), (5, "internal", False)]:
        make_update(
            incident=incident,
            status=IncidentStatus.IDENTIFIED,
            message=message,
            is_customer_visible=is_visible,
            created_at=NOW - timedelta(minutes=minutes),
        )
    make_incident(title="Over", status=IncidentStatus.RESOLVED, started_at=NOW - timedelta(hours=1), resolved_at=NOW)

    text = text_of(visit())

    assert "Payments fail Investigating began 20 min ago newest 10 min ago" in text
    assert not {"older", "internal", "Over"} & set(text.split())


def test_incident_is_shown_in_the_language_of_the_reader(visit: Any) -> None:
    make_service("Payments")
    incident = make_incident(title="Payments fail", title_translations={"ko": "결제 실패"}, started_at=NOW)
    translations = {"ko": "원인을 **확인**하고 있습니다."}
    make_update(incident=incident, message="Please *wait*.", message_translations=translations, created_at=NOW)

    english, korean = visit(), visit(accept_language="ko")

    assert "Payments fail" in text_of(english)
    assert "<p>Please <em>wait</em>.</p>" in english.content.decode()
    assert "결제 실패" in text_of(korean)
    assert "<p>원인을 <strong>확인</strong>하고 있습니다.</p>" in korean.content.decode()


def test_update_without_a_translation_is_shown_as_written(visit: Any) -> None:
    make_service("Payments")
    make_update(incident=make_incident(started_at=NOW), message="We look into it.", created_at=NOW)

    assert "We look into it." in text_of(visit(accept_language="ko"))


def test_markup_in_an_update_is_text(visit: Any) -> None:
    make_service("Payments")
    make_update(incident=make_incident(started_at=NOW), message="<script>alert(1)</script>", created_at=NOW)

    assert "&lt;script&gt;alert(1)" in visit().content.decode()


def test_corrected_update_says_so(visit: Any) -> None:
    make_service("Payments")
    make_update(incident=make_incident(started_at=NOW), message="Fixed typo.", created_at=NOW, edited_at=NOW)

    assert "Fixed typo. 0 s ago edited" in text_of(visit())


def test_operators_message_stands_below_the_banner(visit: Any) -> None:
    make_service("Payments")
    SystemStatus.objects.create(message="We move to a new data centre tonight.")

    assert "We move to a new data centre tonight." in text_of(visit())


def test_change_shows_at_the_next_poll(visit: Any) -> None:
    make_service("Payments")
    visit()

    Service.objects.update(display_name="Checkout")
    changes.bump("page")

    assert "Checkout" in text_of(visit(after_s=0.3))


def test_names_are_escaped(visit: Any) -> None:
    make_service("<b>Pay</b> & \"co'", Status.DOWN)

    html = visit().content.decode()

    assert "<b>Pay" not in html
    assert "&lt;b&gt;Pay&lt;/b&gt; &amp; &quot;co&#x27;" in html


def test_figures_without_database_say_how_old_they_are(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_service("Payments")
    visit()

    monkeypatch.setattr(readmodel, "read", unreachable)
    monkeypatch.setattr(changes, "current", unreachable)
    response = visit(after_s=185)

    assert response.status_code == 200
    assert "We cannot reach our database These figures are 3 min old." in text_of(response)
    assert "Payments Operational" in text_of(response)


def test_without_database_from_the_start_the_page_says_so(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "current", unreachable)

    response = visit()

    assert response.status_code == 503
    assert response.headers["Cache-Control"] == "no-store"
    assert "We cannot show the status right now" in text_of(response)


def unreachable(*_: object) -> None:
    raise OperationalError("connection refused")


@pytest.mark.django_db
def test_drafts_and_updates_that_have_not_taken_effect_are_not_on_the_page() -> None:
    make_incident(started_at=NOW, title="A draft", is_draft=True)
    shown = make_incident(started_at=NOW, title="Cards fail")
    make_update(incident=shown, created_at=NOW, message="Not yet.", published_at=None)
    make_update(incident=shown, created_at=NOW, message="For us.", is_customer_visible=False)

    (found,) = readmodel.read(NOW, 1, ZoneInfo("UTC")).incidents

    assert (found.title, found.message) == ("Cards fail", "")
