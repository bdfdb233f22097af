"""Sign in as somebody."""

import re

from playwright.sync_api import Page, expect

PASSWORD = "correct horse battery staple"


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/admin/")
    page.locator("#id_username").fill(name)
    page.locator("#id_password").fill(password)
    page.locator("#id_password").press("Enter")
    expect(page).not_to_have_url(re.compile("/login/"))
    page.wait_for_load_state()  # a key that is pressed earlier is lost


def sign_out(page: Page) -> None:
    page.context.clear_cookies()
