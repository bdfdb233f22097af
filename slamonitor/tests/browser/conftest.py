"""A whole installation and a real browser, once for all tests here; without a Chromium they are left out, loudly."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright, expect

from slamonitor.tests.browser import chromium
from slamonitor.tests.browser.people import PASSWORD
from slamonitor.tests.browser.summary import NO_CHROMIUM
from slamonitor.tests.installation import Installation, wait_until
from slamonitor.tests.targets import Target, serving

PATIENCE_MS = 60_000  # a browser on a busy machine
expect.set_options(timeout=PATIENCE_MS)
SERVICES = """services:
- {{id: payments, name: Payments, endpoint_url: 'http://{address}/', check_interval: 1000, timeout: 900}}
- {{id: search, name: Search, endpoint_url: 'http://{steady}/', check_interval: 1000, timeout: 900}}
"""
PEOPLE = f"""
from accounts.models import Role, User
for role in Role:
    User.objects.create_user(f"the-{{role}}", f"{{role}}@example.com", {PASSWORD!r}, role)
"""


@pytest.fixture(scope="session")
def browser_type_launch_args(playwright: Playwright) -> dict[str, Any]:
    program = chromium.find(playwright.chromium.executable_path)
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(NO_CHROMIUM)
    return {"executable_path": program, "args": list(chromium.ARGUMENTS)}


@pytest.fixture(scope="session")
def target() -> Target:
    """A target that a test may break and must repair."""
    return Target()


@pytest.fixture(scope="session")
def installation(browser: object, tmp_path_factory: pytest.TempPathFactory, target: Target) -> Iterator[Installation]:
    """Start with the browser, so that nothing is started where there is none."""
    folder = tmp_path_factory.mktemp("installation")
    folder.chmod(0o755)
    with serving(target) as address, serving(Target()) as steady, Installation(folder) as installation:
        installation.manage("sync_services", "-", text=SERVICES.format(address=address, steady=steady))
        installation.manage("shell", "--command", PEOPLE)
        wait_until(lambda: installation.query("SELECT count(*) FROM service_state WHERE status = 'o'")[0][0] == 3)
        yield installation


@pytest.fixture(scope="session")
def browser_context_args(installation: Installation) -> dict[str, Any]:
    return {"base_url": f"http://127.0.0.1:{installation.port}", "locale": "en-US", "color_scheme": "light"}


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must stay without errors in its console; a breach of the content-security policy is one."""
    context.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    context.on("console", listen)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context.new_page()
    assert errors == []
