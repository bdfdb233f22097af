"""Responses to requests that are refused in the event loop: in the format of the API, or as one sentence.

They are the responses to a flood of requests, so each is rendered once; only trace, time and path are filled in.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from observability import errors
from observability.api_answers import is_api
from observability.middleware import headers_of_trace, trace_of
from slamonitor.web.messages import Headers, Response, status_line
from statuspage import language
from statuspage.headers import standing_headers

RETRY_S = 5
OVERLOADED = "OVERLOADED"  # the code of a 503 caused by our own load, not by a dependency


class _Template(NamedTuple):
    """A response to be filled in. For the API, `facts` are the body, which is rendered as JSON."""

    headers: Headers
    body: bytes
    facts: Mapping[str, Any] | None


def refusal(meta: Mapping[str, Any], status: int, code: str = "") -> Response:
    """Return the error response with a status.

    `meta` are the known WSGI variables of the request; `code` overrides the usual error code of the status.
    """
    wanted = language.of_visitor(meta.get("HTTP_COOKIE", ""), meta.get("HTTP_ACCEPT_LANGUAGE", ""))
    path = meta.get("PATH_INFO", "/")
    headers, body, facts = _template(status, code, wanted, *_form(path, meta.get("HTTP_ACCEPT", "")))
    if facts is not None:
        trace = trace_of(meta)
        now = timezone.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        own = {"trace_id": trace.trace_id, "timestamp": now}
        is_problem = "error" not in facts
        facts = {**facts, "instance": path, **own} if is_problem else {**facts, "error": {**facts["error"], **own}}
        headers, body = [*headers, *headers_of_trace(trace, took_ms=0.0).items()], json.dumps(facts).encode()
    return Response(status_line(status), headers, body)


@lru_cache(maxsize=256)
def _form(path: str, accept: str) -> tuple[bool, bool]:
    """Return whether a URL belongs to the API, and whether the client accepts errors in the format of RFC 9457."""
    request = HttpRequest()
    request.path = request.path_info = path
    request.META = {"HTTP_ACCEPT": accept}
    return is_api(request), is_api(request) and errors.prefers_problem(request)


@lru_cache(maxsize=256)
def _template(status: int, code: str, wanted: str, is_of_api: bool, is_problem: bool) -> _Template:
    request = HttpRequest()
    request.META = {"HTTP_ACCEPT": errors.PROBLEM} if is_problem else {}
    with override(wanted):
        error = _error(status, code)
        if is_of_api:
            response: HttpResponse = errors.render(request, error, now=timezone.now())
        else:
            response = HttpResponse(f"{error.message}\n", status=status, headers=error.headers)
            response.headers["Content-Type"] = "text/plain; charset=utf-8"
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Service"] = settings.SERVICE_NAME
    for name, value in standing_headers():
        response.headers.setdefault(name, value)
    facts = json.loads(response.content) if is_of_api else None
    return _Template(tuple(response.items()), response.content, facts)


def _error(status: int, code: str) -> errors.ApiError:
    headers = {"Retry-After": str(RETRY_S)} if status == 503 else {}
    if code == OVERLOADED:
        words = _("Too many requests of this kind are in progress. Try again soon.")
        return errors.ApiError(code, words, status=status, headers=headers)
    return errors.of_status(status, headers=headers)
