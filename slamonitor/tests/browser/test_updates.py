"""The reporter's path through an incident: draft, publish, update from a template, correct, resolve, reopen."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from slamonitor.tests.browser.people import sign_in
from slamonitor.tests.browser.test_public_page import violations

MESSAGE, STATUS = "#id_updates-0-message", "#id_updates-0-status"


def save(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).last.click()
    page.wait_for_load_state()


def add_template(page: Page) -> None:
    page.goto("/admin/incidents/updatetemplate/add/")
    page.locator("#id_name").fill("Fixed")
    page.locator("#id_status").select_option("monitoring")
    page.locator("#id_message").fill("**{title}**: a fix is in place.")
    page.locator("#id_message_ko").fill("{title}: 조치했습니다.")
    page.locator("[name=_save]").click()
    expect(page.locator("#result_list")).to_contain_text("a fix is in place")


def test_a_reporter_leads_an_incident_from_draft_to_reopening(page: Page) -> None:
    sign_in(page, "the-reporter")
    add_template(page)

    page.goto("/admin/incidents/incident/add/")
    page.locator("#id_title").fill("Cards are refused")
    page.locator(MESSAGE).fill("We are looking into it.")
    save(page, "Save as draft")
    expect(page.get_by_role("heading", name="A draft; customers do not see it")).to_be_visible()
    assert violations(page, ".admin-card") == []
    page.get_by_role("button", name="Publish", exact=True).click()
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text("We are looking into it.")

    page.locator(MESSAGE).fill("We know why.")
    page.get_by_label("Start from a template").select_option("Fixed")
    expect(page.locator("[data-said]")).to_have_text("Filled in below what you had typed.")
    expect(page.locator(MESSAGE)).to_have_value("We know why.\n\n**Cards are refused**: a fix is in place.")
    expect(page.locator("#id_updates-0-message_ko")).to_have_value("Cards are refused: 조치했습니다.")
    expect(page.locator(STATUS)).to_have_value("monitoring")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview strong").nth(1)).to_have_text("Cards are refused")
    page.locator(MESSAGE).fill("We *know* why.")
    page.locator(MESSAGE).blur()
    expect(page.locator("#preview em")).to_have_text("know")

    later = datetime.now(UTC) + timedelta(hours=2)
    page.locator("#id_updates-0-publish_at_0").fill(f"{later:%Y-%m-%d}")
    page.locator("#id_updates-0-publish_at_1").fill(f"{later:%H:%M}")
    save(page, "Save and publish")
    expect(timeline).to_contain_text("scheduled")
    assert violations(page, ".admin-card") == []
    page.get_by_role("button", name="Publish now").click()
    expect(page.locator("[aria-current=step]")).to_have_text("Monitoring")

    page.get_by_role("link", name="Correct", exact=True).first.click()
    page.locator("#id_message").fill("We know the reason.")
    assert violations(page, ".admin-card") == []
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(timeline).to_contain_text(re.compile("edited by the-reporter"))

    page.locator(STATUS).select_option("resolved")
    page.locator(MESSAGE).fill("All is well again.")
    save(page, "Save and publish")
    page.locator(STATUS).select_option("investigating")
    page.locator(MESSAGE).fill("It is back.")
    save(page, "Save and publish")
    expect(page.get_by_text("Turn on “Reopen the incident”")).to_be_visible()
    page.get_by_label("Reopen the incident").press("Space")
    save(page, "Save and publish")
    expect(page.locator("[aria-current=step]")).to_have_text("Investigating")

    page.locator(STATUS).select_option("resolved")
    page.locator(MESSAGE).fill("Over.")
    save(page, "Save and publish")
    expect(page.locator("[aria-current=step]")).to_have_text("Resolved")
