"""Responses to requests that are refused in the event loop: in the format of the API, or as one sentence.

A flood is answered mostly with these, so each is rendered once; a request adds its trace, its time and its path.
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
OVERLOADED = "OVERLOADED"  # the code of a 503 for which we are to blame, and nothing that we need


class _Template(NamedTuple):
    """An answer to be: `facts` are the body of one of the API, to be written as JSON."""

    headers: Headers
    body: bytes
    facts: Mapping[str, Any] | None


def refusal(meta: Mapping[str, Any], status: int, code: str = "") -> Response:
    """Answer a request, of which `meta` holds what is known, with the error of a status; `code` may say which one."""
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
    """Return whether an address belongs to the API, and whether the caller wants its errors as RFC 9457 has them."""
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
