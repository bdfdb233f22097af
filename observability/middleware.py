"""Give every request a trace, and every response of the API its headers and the common form of errors.

Runs first of all middleware, so that it also sees their responses.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponseBase

from observability import errors, trace
from observability.api_answers import answer_exception, is_api
from observability.harmless import harmless
from observability.request_figures import measure, route_of
from observability.trace import TraceContext

logger = logging.getLogger("observability.requests")
# Requested constantly, or by each page, or logged on a line of their own.
QUIET = ("/health", "/livez", "/readyz", "/metrics", "/static/", "/assets/", "/api/browser_errors")
KEPT_OF_PATH = 200

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_VARIABLES = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in trace.NAMES}


class ObservabilityMiddleware:
    """Follow the trace of a request, and give the API's responses their form."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        with trace.following(trace_of(request.META)) as context:
            response = self.get_response(request)
            if is_api(request):
                response = errors.in_format(request, response)
                _add_headers(response, context, took_ms=(time.perf_counter() - began) * 1000)
            with harmless("request"):
                took_s = time.perf_counter() - began
                measure(request, response, took_s)
                _tell(request, response, context, took_s * 1000)
            return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer an exception of a view. Those of other middleware arrive as responses, written by Django."""
        if is_api(request):
            return answer_exception(request, exception)
        if isinstance(exception, DataError):
            # Such as a NUL, or more than a column holds: the sender's mistake, not a bug.
            logger.warning("input cannot be stored", exc_info=exception)
            raise BadRequest("input cannot be stored") from exception
        return None


def trace_of(meta: Mapping[str, Any]) -> TraceContext:
    """Continue the trace in the headers of a request (in WSGI's form), or begin one."""
    return trace.accept({name: meta[variable] for name, variable in _VARIABLES.items() if variable in meta})


def headers_of_trace(context: TraceContext, *, took_ms: float) -> dict[str, str]:
    """Return the headers of every API response."""
    took = f"{took_ms:.3f}"
    headers = {trace.TRACE_ID: context.trace_id, trace.TRACEPARENT: context.traceparent}
    if context.job_id:
        headers[trace.JOB_ID] = context.job_id
    if context.project_id:
        headers[trace.PROJECT_ID] = context.project_id
    own = {"X-Processing-Time": took, "X-Service": settings.SERVICE_NAME, "Server-Timing": f"app;dur={took}"}  # ms
    return headers | own


def _add_headers(response: HttpResponseBase, context: TraceContext, *, took_ms: float) -> None:
    added = headers_of_trace(context, took_ms=took_ms)
    timings = (response.headers.get("Server-Timing"), added["Server-Timing"])
    for name, value in (added | {"Server-Timing": ", ".join(filter(None, timings))}).items():
        response.headers[name] = value


def _tell(request: HttpRequest, response: HttpResponseBase, context: TraceContext, took_ms: float) -> None:
    """Log a request under the name of its route: its path may contain a token, as those of heartbeats do."""
    match = request.resolver_match
    level = logging.DEBUG if request.path_info.startswith(QUIET) else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields = {
        "method": request.method,
        "route": route_of(request),
        "arguments": match.kwargs if match else None,
        "path": None if match else request.path_info[:KEPT_OF_PATH],
        "status": response.status_code,
        "unusable_trace_id": context.unusable_id,
        "duration_ms": round(took_ms, 3),
    }
    logger.log(level, "request answered", extra={name: value for name, value in fields.items() if value})
