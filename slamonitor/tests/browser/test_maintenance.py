"""Maintenance as a reporter plans it, with the engine that runs it."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from slamonitor.tests.browser.people import sign_in
from slamonitor.tests.browser.test_public_page import violations

BEGINS_MS = 180_000  # the task runs each minute


def test_a_reporter_plans_maintenance_which_begins_by_itself_and_is_ended_by_a_click(page: Page) -> None:
    sign_in(page, "the-reporter")
    page.goto("/admin/incidents/maintenanceplan/add/")
    begins = datetime.now(UTC) + timedelta(seconds=30)
    page.locator("#id_title").fill("Change disks")
    page.locator("#id_covers_all").press("Space")
    page.locator("#id_starts_on").fill(f"{begins:%Y-%m-%d}")
    page.locator("#id_wall_time").fill(f"{begins:%H:%M}")
    page.locator("#id_duration_minutes").fill("60")
    page.locator("#id_repeats").select_option("daily")
    expect(page.locator("#id_last_on")).to_be_visible()
    expect(page.locator("#id_rrule, #id_number, #id_day, [name=days]").filter(visible=True)).to_have_count(0)
    page.get_by_role("button", name="Show the next five dates").click()
    expect(page.locator("#next-dates li")).to_have_count(5)
    assert violations(page, "#next-dates") == []
    page.locator("[name=_continue]").click()

    def begun() -> None:
        page.reload()
        expect(page.get_by_role("button", name="End now")).to_be_visible(timeout=5_000)

    for _ in range(BEGINS_MS // 5_000):
        try:
            begun()
            break
        except AssertionError:
            continue
    begun()
    page.locator("[name=message]").first.fill("Half of it is done.")
    page.get_by_role("button", name="Post update").first.click()
    expect(page.locator(".admin-timeline")).to_contain_text("Half of it is done.")
    assert violations(page, "#content-main, .admin-card") == [], "with what can be done"
    page.get_by_role("button", name="End now").click()

    expect(page.get_by_text("Ended.", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="End now")).to_have_count(0)
    page.get_by_role("button", name="Cancel all further dates").click()
    expect(page.get_by_text("No further dates.")).to_be_visible()
    page.goto("/admin/incidents/maintenanceplan/")
    expect(page.locator("#result_list")).to_contain_text(re.compile("Cancelled"))
