"""Log errors of our scripts in browsers, under the trace of their page.

Anybody may send such a report, so strict limits apply: few, short, masked, and nothing is stored. Reports need no
session, no token and no database, so they also work during an outage.
"""

import logging
import math
from time import monotonic
from typing import Literal

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from observability import metrics
from observability.buckets import Buckets, neighbourhood
from observability.errors import ApiError, invalid, of_status
from observability.harmless import harmless
from observability.visitors import client_ip

logger = logging.getLogger(__name__)

MOST_BYTES = 8_192  # of a report
LONGEST_AGENT = 200  # characters
JSON = "application/json"  # other sites' pages would need the browser's preflight request, which we refuse

_reports = metrics.counter("browser_errors", "Reports of browser errors.", ["outcome"])


class Report(BaseModel):
    """An error, as shortened by `statuspage/static/statuspage/errors.js`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Literal["error", "rejection", "fetch"]  # thrown, in an unhandled promise, or a failed response
    message: str = Field(min_length=1, max_length=500)
    page: str = Field(max_length=300)  # its path
    source: str = Field(default="", max_length=300)  # the URL of the script
    line: int = Field(default=0, ge=0, le=10_000_000)
    column: int = Field(default=0, ge=0, le=10_000_000)
    stack: str = Field(default="", max_length=2_000)


class Limits:
    """The limits of reports in this process: from one address, and in total."""

    def __init__(self) -> None:
        self.each = Buckets(size=10, refilled_every_s=6, most_keys=4_096)
        self.all = Buckets(size=30, refilled_every_s=2)

    def take(self, address: str, now_s: float) -> float:
        """Return 0, or the seconds until there is room. One address over its limit takes no room from others."""
        return self.each.take(neighbourhood(address), now_s) or self.all.take("", now_s)


limits = Limits()


@login_not_required
@csrf_exempt  # it changes nothing, and does not identify its sender
@never_cache
@require_POST
def report_error(request: HttpRequest) -> HttpResponse:
    """Log a report, and answer 204 whether or not the line could be written."""
    try:
        _admit(request, monotonic())
        report = _read(request)
    except ApiError as error:
        _count("limited" if error.status == 429 else "refused")
        raise
    _count("logged")
    with harmless("browser errors"):
        _log(report, request.headers.get("User-Agent", ""))
    return HttpResponse(status=204)


report_error.asks_nobody = True  # type: ignore[attr-defined]  # so that no key of a request leads to the database


def _admit(request: HttpRequest, now_s: float) -> None:
    """Refuse a report beyond the limits before reading it. Raises ApiError."""
    wait_s = limits.take(client_ip(request), now_s)
    if wait_s:
        raise of_status(429, headers={"Retry-After": str(math.ceil(wait_s))})
    if request.content_type != JSON:
        raise of_status(415, details={"accepted": [JSON]}, headers={"Accept": JSON})


def _read(request: HttpRequest) -> Report:
    """Return the report. Raises ApiError if it is invalid."""
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise of_status(413, details={"most_bytes": MOST_BYTES})
    try:
        return Report.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    if any(each["type"] == "json_invalid" for each in problems):
        words = _("The body is not JSON: %(why)s.") % {"why": problems[0]["msg"]}
        raise ApiError("MALFORMED_REQUEST", words, status=400)
    fields: dict[str, list[str]] = {}
    for each in problems:
        fields.setdefault(".".join(map(str, each["loc"]))[:100], []).append(each["msg"])
    raise invalid(fields)


def _log(report: Report, agent: str) -> None:
    """Write the line, as a warning at most: anybody can send a report."""
    fields = {
        "kind": report.kind,
        "says": report.message,
        "page": _path(report.page),
        "source": _path(report.source),
        "line": report.line,
        "column": report.column,
        "stack": report.stack,
        "agent": agent[:LONGEST_AGENT],
    }
    logger.warning("browser error", extra={name: value for name, value in fields.items() if value})


def _path(address: str) -> str:
    """Return a URL without query and fragment, which may contain the visitor's own input."""
    return address.partition("?")[0].partition("#")[0]


def _count(outcome: str) -> None:
    with harmless("browser errors"):
        _reports.labels(outcome).inc()
