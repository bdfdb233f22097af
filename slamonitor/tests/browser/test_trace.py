"""Requests of our scripts carry the trace of their page; failures show its id and arrive in our log."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect
from pytest_playwright.pytest_playwright import CreateContextCallback

from slamonitor.tests.browser.people import sign_in
from slamonitor.tests.browser.test_public_page import violations
from slamonitor.tests.installation import Installation, wait_until

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01")
LOOK_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"
THROW = """
() => {
  let number = 0;
  HTMLButtonElement.prototype.setAttribute = () => {
    number += 1;
    throw new Error(`planted ${number}: Bearer planted0123456789abcdef ${"x".repeat(1000)}\ud83d`);
  };
}
"""


@pytest.fixture
def troubled(new_context: CreateContextCallback) -> Page:
    """A page whose console may name errors, for they are what is wanted here."""
    return new_context().new_page()


def refreshes(page: Page) -> list[dict[str, str]]:
    """Collect the headers of each request that a script makes for the page itself, from now on."""
    found: list[dict[str, str]] = []

    def listen(request: Request) -> None:
        if request.resource_type == "fetch" and request.method == "GET":
            found.append(request.headers)

    page.on("request", listen)
    return found


def reports(installation: Installation, trace_id: str) -> list[dict[str, Any]]:
    """Return the lines of our log about errors in a page view."""
    whole = installation.log.read_text().rpartition("\n")[0]  # the last line may be half written
    read = (json.loads(line) for line in whole.splitlines())
    return [line for line in read if line["message"] == "browser error" and line["trace_id"] == trace_id]


def trace_of(headers: dict[str, str]) -> str:
    found = TRACEPARENT.fullmatch(headers["traceparent"])
    assert found and headers["x-trace-id"] == found[1]
    return found[1]


def refreshed(page: Page) -> str:
    """Let the page fetch itself again, and return the trace of that."""
    with page.expect_request(lambda request: request.resource_type == "fetch") as asked:
        page.evaluate(LOOK_AGAIN)
    return trace_of(asked.value.headers)


def test_a_refresh_carries_the_trace_of_its_page_view(page: Page) -> None:
    page.goto("/")
    sent = refreshes(page)

    first, second = refreshed(page), refreshed(page)
    page.reload()

    assert first == second != refreshed(page)
    spans = {headers["traceparent"] for headers in sent}
    assert len(spans) == len(sent) >= 3, "each request is a span of its own"


def test_an_error_in_a_script_is_a_masked_line_of_our_log(troubled: Page, installation: Installation) -> None:
    troubled.goto("/services/payments/ledger?from=2025-03-09&to=2025-03-10")
    with troubled.expect_response("**/api/browser_errors") as answered:
        troubled.evaluate(THROW)
        troubled.locator("#theme").click()

    assert answered.value.status == 204
    assert "cookie" not in answered.value.request.all_headers(), "it is nobody's"
    trace_id = trace_of(answered.value.request.headers)
    (line,) = wait_until(lambda: reports(installation, trace_id), "the report is not in the log")
    said = line["metadata"]
    assert (said["kind"], said["page"], line["process"]) == ("error", "/services/payments/ledger", "web")
    assert said["says"].startswith("Uncaught Error: planted 1: Bearer •••") and len(said["says"]) <= 500
    assert "/theme.js:" in said["stack"] and "planted0123456789abcdef" not in json.dumps(line)
    assert "HeadlessChrome" in said["agent"]


def test_a_page_view_reports_no_more_than_five_errors(troubled: Page, installation: Installation) -> None:
    troubled.goto("/policies/standard/1")
    sent: list[Request] = []
    troubled.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    troubled.evaluate(THROW)

    for _click in range(9):
        troubled.locator("#theme").click()

    trace_id = trace_of(sent[0].headers)
    wait_until(lambda: len(reports(installation, trace_id)) == 5)
    assert len(sent) == 5


def test_an_edition_that_cannot_be_shown_is_reported_and_the_page_goes_on(
    troubled: Page, installation: Installation
) -> None:
    troubled.goto("/")
    troubled.locator("#headline").evaluate("headline => headline.remove()")
    trace_id = refreshed(troubled)

    (line,) = wait_until(lambda: reports(installation, trace_id), "the report is not in the log")
    assert line["metadata"]["kind"] == "rejection" and "/page.js:" in line["metadata"]["stack"]
    sent = refreshes(troubled)
    wait_until(lambda: troubled.wait_for_timeout(100) or sent, "the page has given up")


def test_errors_of_what_a_browser_was_extended_with_are_none_of_ours(
    troubled: Page, installation: Installation
) -> None:
    troubled.goto("/")
    sent: list[Request] = []
    troubled.on("request", lambda request: sent.append(request) if request.method == "POST" else None)

    troubled.evaluate("setTimeout(() => { throw new Error('foreign'); })")
    troubled.evaluate("() => { Promise.reject(new Error('foreign')); }")

    refreshed(troubled)
    assert sent == []


@pytest.mark.parametrize(("language", "words"), [("en", "cannot be updated right now"), ("ko", "갱신할 수 없어")])
def test_a_page_that_cannot_be_refreshed_says_so_with_the_number_to_quote(
    troubled: Page, installation: Installation, language: str, words: str
) -> None:
    context: BrowserContext = troubled.context
    troubled.goto(f"/?lang={language}")
    notice = troubled.locator("#trouble")
    trace_id = refreshed(troubled)
    expect(notice).to_be_hidden()

    context.set_offline(True)
    refreshed(troubled)
    refreshed(troubled)

    expect(notice).to_be_visible()
    expect(notice).to_contain_text(words)
    expect(notice.locator("code")).to_have_text(trace_id)
    expect(troubled.locator("#announcer")).to_contain_text(trace_id)
    assert violations(troubled) == []

    context.set_offline(False)
    refreshed(troubled)
    expect(notice).to_be_hidden()
    (line,) = wait_until(lambda: reports(installation, trace_id), "the report is not in the log")
    assert line["metadata"]["kind"] == "fetch" and "refreshes failed" in line["metadata"]["says"]


def test_the_admin_says_so_too(troubled: Page, installation: Installation) -> None:
    sign_in(troubled, "the-admin")
    troubled.goto("/admin/monitoring/service/payments/change/")
    notice = troubled.locator("#trouble")
    troubled.locator("details", has=troubled.locator("#id_parent")).locator("> summary").click()

    with troubled.expect_request("**/admin/autocomplete/**") as asked:
        troubled.locator(".select2-selection").first.click()
    trace_id = trace_of(asked.value.headers)
    expect(notice).to_be_hidden()
    assert trace_id in installation.log.read_text() or wait_until(
        lambda: trace_id in installation.log.read_text(), "its line carries the trace"
    )

    troubled.context.set_offline(True)
    troubled.locator(".select2-search__field").last.fill("pay")
    expect(notice).to_be_visible()
    expect(notice.locator("code")).to_have_text(trace_id)


def test_the_description_of_the_api_is_drawn_and_its_absence_said(
    page: Page, new_context: CreateContextCallback
) -> None:
    with page.expect_request("**/api/v1/openapi.json") as asked:
        page.goto("/api/docs")
    trace_of(asked.value.headers)
    expect(page.get_by_role("heading", name="SLA Monitor API")).to_be_visible()

    troubled = new_context().new_page()
    troubled.route("**/api/v1/openapi.json", lambda route: route.abort())
    troubled.goto("/api/docs")
    expect(troubled.locator("#trouble code")).to_have_text(re.compile("[0-9a-f]{32}"))
