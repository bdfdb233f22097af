"""The palette of the admin finds what a role may open, and nothing else."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.tests.cast import Person
from incidents.tests.factories import make_incident
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


def titles(person: Person, term: str = "", language: str = "en") -> list[str]:
    page = person.client.get("/admin/palette/", {"term": term}, headers={"accept-language": language}).content.decode()
    return re.findall(r'<a role="option"[^>]*><span[^>]*>\w+</span><span>(.*?)</span>', page)


def test_without_a_term_it_has_the_pages_and_actions_of_the_role(admin: Person, viewer: Person) -> None:
    make_service("payments")

    assert "Diagnostics" in titles(admin)
    assert "Add a service" in titles(admin)
    assert "Payments" not in titles(admin)
    assert not {"Diagnostics", "Users", "Add a service", "Report an incident"} & set(titles(viewer))
    assert "Change password" in titles(viewer)


def test_services_are_found_by_a_part_of_name_or_id_in_any_case(viewer: Person) -> None:
    make_service("pay-eu", name="Europe", display_name="결제")
    make_service("pay-us", name="<America>", display_name="")

    assert titles(viewer, "PAY-")[:2] == ["&lt;America&gt;", "결제"]
    assert titles(viewer, "결") == ["결제"]
    assert titles(viewer, "eur") == ["결제"]


def test_incidents_are_found_by_title_the_newest_first(viewer: Person) -> None:
    now = timezone.now()
    for title, days in (("Cards fail", 2), ("Cards are slow", 1), ("Mail fails", 0)):
        make_incident(title=title, started_at=now - timedelta(days=days))
    make_incident(title="Cards, dismissed", started_at=now, is_draft=True, dismissed_at=now)

    assert titles(viewer, "cards") == ["Cards are slow", "Cards fail"]
    assert "Cards fail" not in titles(viewer)


def test_archived_services_are_not_found(viewer: Person) -> None:
    service = make_service("payments")
    service.archived_at = service.created_at
    service.save()

    assert titles(viewer, "payments") == []


def test_it_finds_by_korean_titles(reporter: Person) -> None:
    assert titles(reporter, "장애", "ko") == ["장애", "장애 보고"]


@pytest.mark.parametrize("term", ["\0", "%", "_", "'", "\\", "x" * 10_000])
def test_odd_terms_find_nothing(viewer: Person, term: str) -> None:
    make_service("payments")

    assert "Payments" not in titles(viewer, term)


def test_help_texts_have_the_ids_that_their_fields_name(reporter: Person) -> None:
    page = reporter.client.get("/admin/incidents/incident/add/").content.decode()
    named = {id for ids in re.findall(r'aria-describedby="([^"]+)"', page) for id in ids.split()}

    assert "id_title_helptext" in named
    assert named <= set(re.findall(r'\bid="([^"]+)"', page))
