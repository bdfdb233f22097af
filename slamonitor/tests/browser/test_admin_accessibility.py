"""The admin with a keyboard and with assistive technology: axe on every kind of page, as each role."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Role
from slamonitor.tests.browser.people import sign_in
from slamonitor.tests.browser.test_public_page import violations
from slamonitor.tests.installation import Installation

# One object of each kind that has a page. None is visible on the status page or counted as open.
OBJECTS = """
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from incidents.models import AffectedService, Finding, FollowUp, Incident, PostMortem
from monitoring.models import MaintenanceWindow, Restatement, Service
now, search = timezone.now(), Service.objects.get(id="search")
hour, reporter = timedelta(hours=1), User.objects.get(username="the-reporter")
incident = Incident.objects.create(title="Past", status="resolved", started_at=now - hour, resolved_at=now)
AffectedService.objects.create(incident=incident, service=search, impact="major")
Finding.objects.create(
    kind="unreported", service=search, measured_at=now - 2 * hour, measured_until=now - hour / 2, found_at=now,
)
Finding.objects.create(kind="start", incident=incident, measured_at=now - 2 * hour, told_at=now - hour, found_at=now)
post_mortem = PostMortem.objects.create(incident=incident, summary="A **disk** failed.")
FollowUp.objects.create(post_mortem=post_mortem, text="Replace the disks", owner=reporter, due_on="2025-03-09")
MaintenanceWindow.objects.create(service=search, since=now + 720 * hour, until=now + 721 * hour)
Restatement.objects.create(
    service=search, since=now - 2 * hour, until=now - hour, restated_as="operational", reason="A fault of ours",
    proposed_by=reporter, proposed_at=now,
)
"""
FOR_ALL = (
    "",
    "incidents/incident/",
    "reconciliation/",
    "response-times/",
    "monitoring/service/",
    "services/search/",
    "checks/",
    "monitoring/maintenancewindow/",
    "monitoring/restatement/",
    "monitoring/accountingpolicy/",
    "accounts/apitoken/",
    "accounts/apitoken/add/",
    "password_change/",
)
FOR_REPORTERS = ("incidents/incident/add/", "monitoring/restatement/add/")
FOR_ADMINS = (
    "monitoring/service/add/",
    "monitoring/service/add/?clone=search",
    "monitoring/service/search/change/",
    "monitoring/maintenancewindow/add/",
    "monitoring/accountingpolicy/add/",
    "accounts/user/",
    "accounts/user/add/",
    "diagnostics/",
)
PAGES = {
    Role.VIEWER: FOR_ALL,
    Role.REPORTER: (*FOR_ALL, *FOR_REPORTERS),
    Role.ADMIN: (*FOR_ALL, *FOR_REPORTERS, *FOR_ADMINS),
}
LISTS = {  # links to one object; the first of each list is opened
    "incidents/incident/": "#result_list a[href*='/change/']",
    "monitoring/maintenancewindow/": "#result_list a[href*='/change/']",
    "monitoring/restatement/": "#result_list a[href*='/change/']",
    "monitoring/accountingpolicy/": "#result_list a[href*='/change/']",
    "checks/": "#content td a[href*='/admin/checks/']",
}


@pytest.fixture(scope="session")
def objects(installation: Installation) -> None:
    installation.manage("shell", "--command", OBJECTS)


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("role", list(Role))
def test_axe_finds_nothing_on_any_page_of_a_role(page: Page, role: Role) -> None:
    page.goto("/admin/")
    found = {"sign-in": violations(page)}
    sign_in(page, f"the-{role}")

    for path in PAGES[role]:
        page.goto(f"/admin/{path}")
        found[path] = violations(page)
        if path in LISTS:
            one = page.locator(LISTS[path]).first.get_attribute("href")
            page.goto(str(one))
            found[str(one)] = violations(page)
            if path == "incidents/incident/":
                page.get_by_role("link", name="Post-mortem").click()
                expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
                found["post-mortem"] = violations(page)

    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize(("width", "language", "colours"), [(390, "ko", "dark"), (1280, "en", "light")])
def test_axe_finds_nothing_in_the_open_form_of_a_service(page: Page, width: int, language: str, colours: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    page.set_extra_http_headers({"Accept-Language": language})
    sign_in(page, "the-admin")
    page.goto("/admin/monitoring/service/search/change/")

    for summary in page.locator("#service_form details:not([open]) > summary").all():
        if summary.is_visible():
            summary.click()
    page.locator(".header-rows > button").click()
    page.locator("#id_check_interval").fill("60")
    page.locator("#id_kind").focus()
    expect(page.locator("#problems-check_interval")).not_to_be_empty()
    assert violations(page) == []
    page.locator("#id_check_interval").fill("1000")
    page.locator("#try button").click()
    expect(page.locator("#try .admin-state")).to_be_visible()

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("width", "language", "colours"), [(390, "ko", "dark"), (1280, "en", "light")])
def test_several_services_are_edited_by_keyboard(page: Page, width: int, language: str, colours: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    page.set_extra_http_headers({"Accept-Language": language})
    sign_in(page, "the-admin")
    page.goto("/admin/monitoring/service/")

    page.locator("#result_list .action-select").first.press("Space")
    page.locator("select[name=action]").select_option("edit_services")
    page.locator("button[name=index]").press("Enter")
    expect(page.locator("#id_added")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("#id_check_interval").fill("60")
    page.locator("#id_check_interval").press("Enter")
    expect(page.locator("#id_check_interval")).to_have_attribute("aria-invalid", "true")
    assert violations(page) == []
    page.locator("#id_check_interval").fill("")
    page.locator("#id_added").fill("edited")
    page.locator("#id_added").press("Enter")

    expect(page.locator("#result_list")).to_be_visible()


@pytest.mark.parametrize(("width", "language"), [(390, "ko"), (1280, "en")])
def test_axe_finds_nothing_in_the_dark_with_every_menu_open(page: Page, width: int, language: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark")
    page.set_extra_http_headers({"Accept-Language": language})
    sign_in(page, "the-admin")
    page.goto("/admin/incidents/incident/add/")
    assert page.evaluate("document.documentElement.scrollWidth") == width

    if width < 1280:
        page.locator("#menu-narrow").click()
    page.locator("#user-button").click()
    expect(page.locator("#user-menu")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Control+k")
    expect(page.locator("#palette [role=option]").first).to_be_visible()
    assert violations(page) == []


def test_the_first_key_leads_past_the_menu(page: Page) -> None:
    sign_in(page, "the-viewer")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#content")).to_be_focused()


def test_the_user_menu_is_used_by_keyboard(page: Page) -> None:
    sign_in(page, "the-viewer")
    button, root = page.get_by_role("button", name="the-viewer"), page.locator("html")
    expect(button).to_have_attribute("aria-expanded", "false")

    button.press("Enter")
    expect(page.locator("#user-menu")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Dark")).to_be_focused()
    page.keyboard.press("Enter")
    expect(root).to_have_class("dark")
    page.keyboard.press("Escape")

    expect(page.locator("#user-menu")).to_be_hidden()
    expect(button).to_be_focused()


def test_the_menu_is_there_at_twice_the_size(page: Page) -> None:
    page.set_viewport_size({"width": 640, "height": 400})  # what 1280 × 800 leaves at a zoom of 200 %
    sign_in(page, "the-viewer")
    opener = page.get_by_role("button", name="Menu", exact=True)

    opener.press("Enter")
    expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#nav-sidebar")).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("navigation", name="Menu").get_by_role("link", name="Checks").press("Enter")

    expect(page).to_have_url(re.compile("/admin/checks/"))


def test_the_palette_leads_to_a_service_a_page_and_an_action(page: Page) -> None:
    sign_in(page, "the-reporter")
    for typed, option, address in (
        ("SEAR", "Search search", "/admin/services/search/"),
        ("polic", "Policies", "/admin/monitoring/accountingpolicy/"),
        ("report an", "Report an incident", "/admin/incidents/incident/add/"),
    ):
        expect(page.get_by_role("button", name=re.compile("^Go to"))).to_be_visible()  # its script has run
        page.keyboard.press("Control+k")
        expect(page.get_by_role("combobox", name="Page, action, service or incident")).to_be_focused()
        page.keyboard.type(typed)
        expect(page.get_by_role("option", name=option)).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(re.escape(address)))


def test_the_palette_is_walked_and_closed_by_keys(page: Page) -> None:
    sign_in(page, "the-viewer")
    page.get_by_role("button", name=re.compile("^Go to")).press("Enter")
    options = page.get_by_role("option")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("option", name="Add a service")).to_have_count(0)

    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.type("no such thing")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator("#palette")).to_be_hidden()
    expect(page.get_by_role("button", name=re.compile("^Go to"))).to_be_focused()


def test_the_services_of_an_incident_have_names(page: Page) -> None:
    sign_in(page, "the-reporter")
    page.goto("/admin/incidents/incident/add/")

    field = page.get_by_role("searchbox", name="Major outage")
    field.press_sequentially("Sear")
    expect(page.locator(".select2-results__option--highlighted")).to_have_text("Search")
    field.press("Enter")

    expect(page.locator("#id_major_services option:checked")).to_have_text(["Search"])
