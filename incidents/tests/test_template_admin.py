"""Update templates in the admin."""

from typing import Any

import pytest

from accounts.tests.cast import Person
from incidents.models import UpdateTemplate

LIST = "/admin/incidents/updatetemplate/"


def form(**values: Any) -> dict[str, Any]:
    return {"name": "Looking", "status": "", "message": "{service} fails since {since}.", **values}


def test_a_reporter_writes_a_template_in_each_language(reporter: Person) -> None:
    answer = reporter.client.post(f"{LIST}add/", form(status="investigating", message_ko="{service} 장애"))
    assert answer.status_code == 302, answer.context["errors"]

    template = UpdateTemplate.objects.get()
    assert (template.status, template.message_translations) == ("investigating", {"ko": "{service} 장애"})
    assert template.created_by == reporter.user
    page = reporter.client.get(LIST).content.decode()
    assert "{service} fails since {since}." in page and "Investigating</span>" in page
    change = f"{LIST}{template.pk}/change/"
    assert "{duration} the time since then" in reporter.client.get(change).content.decode()

    assert reporter.client.post(change, form(name="Looking into it")).status_code == 302
    template.refresh_from_db()
    assert (template.name, template.status, template.message_translations) == ("Looking into it", "", {})
    assert reporter.client.post(f"{LIST}{template.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not UpdateTemplate.objects.exists()


@pytest.mark.parametrize("field", ["message", "message_ko"])
def test_an_unknown_variable_is_refused_with_the_known_ones(reporter: Person, field: str) -> None:
    page = reporter.client.post(f"{LIST}add/", form(**{field: "{servise} fails."})).content.decode()

    assert "{servise} is not a variable." in page
    assert "The variables are {service}, {title}, {status}, {since}, {duration}." in page
    assert not UpdateTemplate.objects.exists()


def test_a_name_is_taken_once(reporter: Person) -> None:
    UpdateTemplate.objects.create(name="Looking", message="We are looking into it.")

    page = reporter.client.post(f"{LIST}add/", form()).content.decode()

    assert "already exists" in page


def test_a_viewer_reads_templates(viewer: Person) -> None:
    template = UpdateTemplate.objects.create(name="Looking", message="We are looking into it.")

    assert "We are looking into it." in viewer.client.get(f"{LIST}{template.pk}/change/").content.decode()
    assert f'href="{LIST}"' in viewer.client.get("/admin/").content.decode()
    assert viewer.client.post(f"{LIST}add/", form()).status_code == 403
    assert viewer.client.post(f"{LIST}{template.pk}/change/", form()).status_code == 403
    assert viewer.client.post(f"{LIST}{template.pk}/delete/", {"post": "yes"}).status_code == 403
