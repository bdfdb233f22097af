"""The overview and the pages of incidents by keyboard, and with one thumb."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from slamonitor.tests.browser.people import sign_in
from slamonitor.tests.browser.test_public_page import violations
from slamonitor.tests.installation import Installation

OBJECTS = """
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from incidents.models import AffectedService, Finding, Incident, FollowUp, PostMortem
from monitoring.models import Service
now, search, hour = timezone.now(), Service.objects.get(id="search"), timedelta(hours=1)
title = "The search of a customer with a long name finds nothing"
for name, values in (("Keys: " + title, {"published_at": now - hour}), ("Keys, draft: " + title, {})):
    incident = Incident.objects.create(title=name, started_at=now - hour, priority="P1", **values)
    AffectedService.objects.create(incident=incident, service=search, impact="major")
Finding.objects.create(
    kind="unreported", service=search, measured_at=now - 9 * hour, measured_until=now - 8 * hour, found_at=now
)
"""
GONE = """
from incidents.models import Finding, Incident
Incident.objects.filter(title__startswith="Keys").delete()
Finding.objects.filter(service="search").delete()
"""
TOO_LOW = """() => [...document.querySelectorAll("#now :is(a, button, summary)")].filter((each) =>
  each.offsetParent && each.getBoundingClientRect().height < 43.5).map((each) => each.outerHTML)"""


@pytest.fixture(scope="module")
def objects(installation: Installation) -> Iterator[None]:
    installation.manage("shell", "--command", OBJECTS)
    yield
    installation.manage("shell", "--command", GONE)


def ready(page: Page) -> None:
    """Wait until the script that listens to keys has run."""
    expect(page.get_by_role("button", name=re.compile("^Go to"))).to_be_visible()


@pytest.mark.usefixtures("objects")
def test_single_keys_report_update_search_and_help(page: Page) -> None:
    sign_in(page, "the-reporter")
    ready(page)

    page.keyboard.press("?")
    help = page.get_by_role("dialog", name="Keys")
    for each in ("Report an incident", "Write an update", "Search pages", "Show these keys"):
        expect(help).to_contain_text(each)
    assert violations(page) == []
    page.keyboard.press("n")  # the dialog keeps it
    page.keyboard.press("Escape")
    expect(help).to_be_hidden()
    page.keyboard.press("/")
    term = page.get_by_role("combobox", name="Page, action, service or incident")
    expect(term).to_be_focused()
    page.keyboard.type("finds nothing?/")
    expect(term).to_have_value("finds nothing?/")
    page.keyboard.press("Escape")
    expect(term).to_be_hidden()

    page.keyboard.press("u")
    expect(page).to_have_url(re.compile(r"/change/#update$"))
    field = page.locator("#id_updates-0-message")
    expect(field).to_be_focused()
    page.keyboard.type("n u / ?")
    expect(field).to_have_value("n u / ?")
    page.goto("/admin/")
    ready(page)
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/admin/incidents/incident/add/"))


def test_single_keys_can_be_turned_off(page: Page) -> None:
    sign_in(page, "the-reporter")
    ready(page)
    page.keyboard.press("?")
    page.get_by_role("checkbox", name=re.compile("Single keys are on")).uncheck()
    page.keyboard.press("Escape")

    page.reload()
    ready(page)
    page.keyboard.press("?")
    page.keyboard.press("Control+k")

    expect(page.locator("#palette")).to_be_visible()
    expect(page.locator("#keys")).to_be_hidden()
    page.get_by_role("button", name="Keys", exact=True).click()
    expect(page.locator("#keys-on")).not_to_be_checked()


def test_viewers_have_no_key_for_what_they_may_not_do(page: Page) -> None:
    sign_in(page, "the-viewer")
    ready(page)

    page.keyboard.press("n")
    page.keyboard.press("?")

    expect(page.locator("#keys")).to_be_visible()
    expect(page.locator("#keys")).not_to_contain_text("Report an incident")
    expect(page).to_have_url(re.compile("/admin/$"))


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(("language", "colours"), [("en", "light"), ("ko", "dark")])
def test_the_overview_is_used_with_one_thumb(page: Page, language: str, colours: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    page.set_extra_http_headers({"Accept-Language": language})
    sign_in(page, "the-reporter")

    for address in ("/admin/", "/admin/reconciliation/", "/admin/response-times/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, address
        assert page.evaluate(TOO_LOW) == [], address
        assert violations(page) == [], address


@pytest.mark.usefixtures("objects")
def test_from_a_finding_to_a_published_post_mortem(page: Page) -> None:
    sign_in(page, "the-reporter")
    page.get_by_role("link", name=re.compile("between incidents and measurements")).click()
    finding = page.get_by_role("region", name="Search").first
    finding.get_by_role("button", name="File a draft").click()
    expect(page.get_by_text("The draft is filed.")).to_be_visible()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("link", name="Post-mortem").click()
    page.get_by_label("Summary", exact=True).fill("A **disk** failed.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".admin-markdown strong", has_text="disk")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Action", exact=True).first.fill("Replace the disks")

    page.get_by_role("button", name="Save and publish").click()

    expect(page.get_by_text(re.compile("^Published on"))).to_be_visible()
    expect(page.get_by_label("Action", exact=True).first).to_have_value("Replace the disks")
    page.get_by_role("button", name="Unpublish").click()
    expect(page.get_by_text("Customers no longer see the post-mortem.")).to_be_visible()
    expect(page.get_by_text("A draft; customers do not see it.")).to_be_visible()
