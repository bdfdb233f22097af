"""What a request is told that goes no further than the event loop: in the form of the API, or in one sentence."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.translation import get_language_from_request, override
from django.utils.translation import gettext as _

from observability import errors, trace
from observability.api_answers import is_api
from observability.middleware import add_headers, context_of
from statuspage.headers import standing_headers


def refusal(meta: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> HttpResponseBase:
    """Answer a request, of which `meta` holds what is known, with the error of a status."""
    request = HttpRequest()
    request.META = dict(meta)
    request.method = meta.get("REQUEST_METHOD", "GET")
    request.path = request.path_info = meta.get("PATH_INFO", "/")
    with trace.following(context_of(request)) as context, override(get_language_from_request(request)):
        error = _busy(headers) if status == 503 else errors.of_status(status, headers=headers)
        if is_api(request):
            response: HttpResponse = errors.render(request, error, now=timezone.now())
            add_headers(response, context, took_ms=0.0)
        else:
            response = HttpResponse(f"{error.message}\n", status=status, headers=dict(headers))
            response.headers["Content-Type"] = "text/plain; charset=utf-8"
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Service"] = settings.SERVICE_NAME
    for name, value in standing_headers():
        response.headers.setdefault(name, value)
    return response


def _busy(headers: Mapping[str, str]) -> errors.ApiError:
    return errors.ApiError(
        "OVERLOADED", _("Too many requests of this kind are under way. Try again soon."), status=503, headers=headers
    )
