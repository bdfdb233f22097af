"""The public page as visitors use it."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pytest_playwright.pytest_playwright import CreateContextCallback

from slamonitor.tests.targets import Target

FOLLOWS_MS = 30_000  # a check each second, one to confirm, and a look of the page every five to eight seconds


@pytest.fixture
def broken(target: Target) -> Iterator[Target]:
    yield target
    target.status = 200


def violations(page: Page, within: str | None = None) -> list[str]:
    found = Axe().run(page, context=within).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(page: Page, width: int, language: str, colours: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")

    page.goto(f"/?lang={language}")

    expect(page.locator("html")).to_have_attribute("lang", language)
    assert violations(page) == []


def test_the_language_is_switched_and_kept(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#headline")).to_have_text("All systems operational")

    page.get_by_role("link", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.goto("/")

    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.get_by_role("link", name="English").click()
    expect(page.locator("#headline")).to_have_text("All systems operational")


def test_the_theme_is_switched_and_kept(page: Page) -> None:
    page.goto("/")
    button, root = page.locator("#theme"), page.locator("html")

    button.click()
    first = root.get_attribute("data-theme")
    assert first in ("light", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", str(first))
    button.click()
    expect(root).to_have_attribute("data-theme", "dark" if first == "light" else "light")
    button.click()

    expect(root).not_to_have_attribute("data-theme", re.compile("light|dark"))


def test_the_keyboard_reaches_everything_in_order(page: Page) -> None:
    page.goto("/")

    reached = []
    for _step in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className || document.activeElement.id"))

    assert reached == ["skip", "site", "switch", "switch"]


def test_the_first_key_leads_past_the_header(page: Page) -> None:
    page.goto("/")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#content")).to_be_focused()


def test_an_open_page_follows_a_target_by_itself(page: Page, broken: Target) -> None:
    page.goto("/")
    state = page.locator("#service-payments .state")
    expect(state).to_have_text("Operational")

    broken.status = 503
    expect(state).to_have_text("Down", timeout=FOLLOWS_MS)
    expect(page.locator("#headline")).to_contain_text("Payments has been down since")

    broken.status = 200
    expect(state).to_have_text("Operational", timeout=FOLLOWS_MS)
    expect(page.locator("#headline")).to_have_text("All systems operational")


def test_nothing_needs_a_script(new_context: CreateContextCallback) -> None:
    page = new_context(java_script_enabled=False).new_page()

    page.goto("/")

    expect(page.locator("#service-search .state")).to_have_text("Operational")
    expect(page.locator("#theme")).to_be_hidden()
    page.get_by_role("link", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
