"""The admin as each role uses it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Role
from slamonitor.tests.browser.people import PASSWORD, sign_in, sign_out
from slamonitor.tests.browser.test_public_page import FOLLOWS_MS, violations
from slamonitor.tests.installation import Installation
from slamonitor.tests.targets import Target

A_LINK_IN_FOCUS = """each => {
  const link = Object.assign(document.createElement("a"), { href: "#", id: "mine" });
  each.append(link);
  link.focus();
}"""
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
    expect(page.get_by_role("heading", name="Open incidents")).to_be_visible()


@pytest.mark.parametrize("role", list(Role))
def test_the_first_screen_shows_the_engine_at_work(page: Page, role: Role) -> None:
    sign_in(page, f"the-{role}")

    expect(page.get_by_role("heading", name="Every service responds.")).to_be_visible()
    facts = page.locator(".dash-facts")
    expect(facts).to_contain_text(re.compile(r"Workers, probing / recording / dispatching\s*1 / 1 / 1"))
    expect(facts.locator(".is-wrong")).to_have_count(0)
    assert violations(page, ".dash") == []


@pytest.fixture
def broken(target: Target) -> Iterator[Target]:
    target.status = 503
    yield target
    target.status = 200


def test_the_overview_follows_an_outage_and_its_form_is_filled_in(page: Page, broken: Target) -> None:
    sign_in(page, "the-reporter")

    expect(page.locator("#headline")).to_have_text("Payments is down. It is in an incident.", timeout=FOLLOWS_MS)
    page.get_by_role("button", name=re.compile("^Dismiss: Payments")).first.click()
    expect(page).to_have_url(re.compile("/admin/incidents/incident/"))
    page.goto("/admin/")
    expect(page.locator("#headline")).to_have_text("Payments is down. Without an incident: 1.", timeout=FOLLOWS_MS)
    assert violations(page, ".dash") == []
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Updates are paused.")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Report 1 as an incident")).click()

    expect(page.locator("#id_title")).to_have_value("Payments is down")
    expect(page.locator("#id_major_services option:checked")).to_have_text(["Payments"])


def test_the_overview_waits_while_somebody_uses_it(page: Page) -> None:
    sign_in(page, "the-viewer")
    page.locator("#now dl").first.evaluate(A_LINK_IN_FOCUS)

    expect(page.get_by_text("Waits while you use this part.")).to_be_visible(timeout=FOLLOWS_MS)
    expect(page.locator("#mine")).to_be_focused()


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reads_the_page_of_a_service(page: Page, role: Role) -> None:
    sign_in(page, f"the-{role}")
    page.locator("#nav-sidebar-apps").get_by_role("link", name="Services").click()
    page.locator("#result_list").get_by_role("link", name=re.compile("Search")).click()

    expect(page).to_have_url(re.compile("/admin/services/search/"))
    expect(page.locator(".service-state")).to_contain_text("Operational")
    expect(page.get_by_role("heading", name="Last checks")).to_be_visible()
    expect(page.get_by_role("button", name="Check now")).to_have_count(1 if role == Role.ADMIN else 0)
    assert violations(page, ".dash") == []
    page.get_by_role("link", name="90 days", exact=True).click()
    assert violations(page, ".dash") == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_of_a_service_fits_a_phone(page: Page, language: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.set_extra_http_headers({"Accept-Language": language})
    sign_in(page, "the-viewer")

    for address in ("/admin/services/search/", "/admin/services/search/?period=90d", "/admin/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, address
        assert violations(page, ".dash") == [], address


def test_the_period_is_switched_by_a_link(page: Page) -> None:
    sign_in(page, "the-viewer")

    page.get_by_role("link", name="7 days").click()

    expect(page).to_have_url(re.compile(r"period=7d$"))
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


FOR_ALL = [
    *("Overview", "Incidents", "Reconciliation", "Response times", "Services", "Checks", "Maintenance"),
    *("Update templates", "Windows as accounted", "Restatements", "Policies", "API tokens"),
]
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

    page.locator("#id_endpoint_url").fill(f"http://127.0.0.1:{installation.port}/health")
    expect(page.locator("#id_id")).to_have_value("127-0-0-1")
    page.locator("#id_id").fill("answers")
    page.locator("#id_name").fill("Answers")
    page.locator("#id_check_interval").fill("60")
    page.locator("#id_kind").focus()
    expect(page.get_by_text("If you meant seconds")).to_be_visible()
    page.locator("#id_check_interval").fill("1000")
    page.get_by_text("Timeout, regions and thresholds").click()
    page.locator("#id_timeout").fill("900")
    page.get_by_role("button", name="Try it now").click()
    expect(page.locator("#try .admin-state")).to_have_text("ok")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("/admin/monitoring/service/"))
    page.goto("/")

    state = page.locator("#service-answers .state")
    expect(state).to_have_text(re.compile("Operational|No data yet"))
    expect(state).to_have_text("Operational", timeout=30_000)


def test_the_form_of_a_service_shows_the_settings_of_its_kind(page: Page) -> None:
    sign_in(page, "the-admin")
    page.goto("/admin/monitoring/service/search/change/")
    if page.get_by_label("Good status codes").is_hidden():
        page.get_by_text("Check settings: HTTP").click()
    expect(page.get_by_label("Good status codes")).to_be_visible()
    expect(page.get_by_label("DNS server")).to_be_hidden()

    page.locator("#id_kind").select_option("dns")
    page.get_by_text("Check settings: DNS record").click()

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
