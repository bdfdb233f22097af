"""The admin as each role uses it."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Role
from slamonitor.tests.browser.people import PASSWORD, sign_in, sign_out
from slamonitor.tests.browser.test_public_page import FOLLOWS_MS, violations
from slamonitor.tests.installation import Installation

ONE_TIME = re.compile(r"password +((?:[a-z2-9]{4}-){3}[a-z2-9]{4})")


def test_the_first_sign_in_asks_for_a_password_of_ones_own(page: Page, installation: Installation) -> None:
    printed = ONE_TIME.search(installation.log.read_text())
    assert printed is not None

    sign_in(page, "admin", printed[1])
    expect(page).to_have_url(re.compile("/admin/password_change/"))
    page.goto("/admin/")
    expect(page).to_have_url(re.compile("/admin/password_change/"))
    page.locator("#id_old_password").fill(printed[1])
    page.locator("#id_new_password1").fill(PASSWORD)
    page.locator("#id_new_password2").fill(PASSWORD)
    page.get_by_role("button", name="Save password").click()

    expect(page).to_have_url(re.compile("/admin/$"))
    sign_out(page)
    sign_in(page, "admin", PASSWORD)
    expect(page.get_by_role("heading", name="Services with problems")).to_be_visible()


@pytest.mark.parametrize("role", list(Role))
def test_the_first_screen_shows_the_engine_at_work(page: Page, role: Role) -> None:
    sign_in(page, f"the-{role}")

    expect(page.get_by_text("None. Every service responds.")).to_be_visible()
    facts = page.locator(".dash-facts")
    expect(facts).to_contain_text(re.compile(r"Workers, probing / recording / dispatching\s*1 / 1 / 1"))
    expect(facts.locator(".is-wrong")).to_have_count(0)
    assert violations(page, ".dash") == []


def test_the_period_is_switched_by_a_link(page: Page) -> None:
    sign_in(page, "the-viewer")

    page.get_by_role("link", name="7 days").click()

    expect(page).to_have_url(re.compile(r"period=7d$"))
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


FOR_ALL = ["Overview", "Incidents", "Services", "Checks", "Maintenance", "Restatements", "Policies", "API tokens"]
MENUS = {
    Role.VIEWER: FOR_ALL,
    Role.REPORTER: FOR_ALL,
    Role.ADMIN: [*FOR_ALL[:-1], "Users", "API tokens", "Diagnostics"],
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_has_its_menu_and_every_entry_opens(page: Page, role: Role) -> None:
    sign_in(page, f"the-{role}")
    entries = page.locator("#nav-sidebar-apps a")
    expect(entries).to_have_text([re.compile(rf"\b{name}\s*$") for name in MENUS[role]])

    for name in MENUS[role]:
        page.locator("#nav-sidebar-apps").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_service_added_is_measured_and_turns_up_on_the_page(page: Page, installation: Installation) -> None:
    sign_in(page, "the-admin")
    page.goto("/admin/monitoring/service/add/")

    page.locator("#id_id").fill("answers")
    page.locator("#id_name").fill("Answers")
    page.locator("#id_endpoint_url").fill(f"http://127.0.0.1:{installation.port}/health")
    page.locator("#id_check_interval").fill("1000")
    page.locator("#id_timeout").fill("900")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("/admin/monitoring/service/"))
    page.goto("/")

    state = page.locator("#service-answers .state")
    expect(state).to_have_text(re.compile("Operational|No data yet"))
    expect(state).to_have_text("Operational", timeout=30_000)


def test_the_form_of_a_service_shows_the_settings_of_its_kind(page: Page) -> None:
    sign_in(page, "the-admin")
    page.goto("/admin/monitoring/service/search/change/")
    expect(page.get_by_label("Good status codes")).to_be_visible()
    expect(page.get_by_label("DNS server")).to_be_hidden()

    page.locator("#id_kind").select_option("dns")

    expect(page.get_by_label("DNS server")).to_be_visible()
    expect(page.get_by_label("Good status codes")).to_be_hidden()


def test_a_service_paused_leaves_the_page_and_comes_back(page: Page) -> None:
    sign_in(page, "the-admin")
    page.goto("/admin/monitoring/service/search/change/")

    page.get_by_role("button", name="Pause…").click()
    page.get_by_label("Reason").fill("It moves to another house.")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page).to_have_url(re.compile("/admin/monitoring/service/"))
    page.goto("/")
    expect(page.locator("#service-payments")).to_be_visible()
    expect(page.locator("#service-search")).to_have_count(0, timeout=FOLLOWS_MS)

    page.goto("/admin/monitoring/service/search/change/")
    page.get_by_role("button", name="Resume…").click()
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page).to_have_url(re.compile("/admin/monitoring/service/"))
    page.goto("/")
    expect(page.locator("#service-search .state")).to_have_text("Operational", timeout=30_000)
