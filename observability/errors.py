"""One form for every error of the API: each exception or response becomes the JSON of `render`.

Raise `ApiError` for errors that the caller should know. The module that uses a library translates its exceptions
(`register`); an unknown exception is `INTERNAL_ERROR`, and reveals nothing internal.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import responses as PHRASES
from typing import Any, TypeVar

import kombu.exceptions
import redis
from django.core import exceptions as django_errors
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.utils import timezone, translation
from django.utils.translation import get_language_from_request, gettext_noop, override

from observability import trace
from observability.masking import mask, mask_text

PROBLEM = "application/problem+json"  # RFC 9457
RETRY_S = 5  # after a dependency failed
LONGEST_ACCEPT = 1_000  # characters of the header that are read
OF_THE_BODY = {
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Content-Language",
    "ETag",
    "Last-Modified",
    "Location",
}

# Code and message of a status that came without any.
STANDARD: dict[int, tuple[str, str]] = {
    400: ("MALFORMED_REQUEST", gettext_noop("The request cannot be read.")),
    401: ("NOT_AUTHENTICATED", gettext_noop("Authentication required: send a valid token.")),
    403: ("PERMISSION_DENIED", gettext_noop("You don't have permission to do this.")),
    404: ("NOT_FOUND", gettext_noop("Nothing was found at this address.")),
    405: ("METHOD_NOT_ALLOWED", gettext_noop("This address does not support this method.")),
    406: ("NOT_ACCEPTABLE", gettext_noop("None of the accepted formats is available.")),
    408: ("REQUEST_TIMEOUT", gettext_noop("The request did not arrive in time.")),
    409: ("CONFLICT", gettext_noop("This conflicts with existing data.")),
    412: (
        "PRECONDITION_FAILED",
        gettext_noop("The object was changed in the meantime. Read it again before you change it."),
    ),
    413: ("PAYLOAD_TOO_LARGE", gettext_noop("The request is too large.")),
    414: ("URI_TOO_LONG", gettext_noop("The address is too long.")),
    415: ("UNSUPPORTED_MEDIA_TYPE", gettext_noop("This content type is not supported.")),
    422: ("VALIDATION_FAILED", gettext_noop("Some values are invalid.")),
    428: ("PRECONDITION_REQUIRED", gettext_noop("Send If-Match with the version that you want to change.")),
    429: ("RATE_LIMITED", gettext_noop("Too many requests. Try again later.")),
    431: ("HEADERS_TOO_LARGE", gettext_noop("The headers of the request are too large.")),
    500: ("INTERNAL_ERROR", gettext_noop("Internal error. It was logged with this trace id.")),
    503: ("DEPENDENCY_UNAVAILABLE", gettext_noop("A required service is not responding. Try again soon.")),
}


class ApiError(Exception):
    """An error for the caller of the API, with a code for programs and a message for people."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.details, self.headers = dict(details or {}), dict(headers or {})


E = TypeVar("E", bound=Exception)
Translate = Callable[[Any], ApiError]
_translations: dict[type[Exception], Translate] = {}


def register(kind: type[E], translate: Callable[[E], ApiError]) -> None:
    """Register the meaning of an exception class for callers; the nearest class of an exception decides."""
    _translations[kind] = translate


def of_status(
    status: int, *, details: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> ApiError:
    """Return the error for a status without further information."""
    fallback = PHRASES.get(status, "Error").upper().replace(" ", "_"), gettext_noop("The request failed.")
    code, words = STANDARD.get(status, fallback)
    return ApiError(code, translation.gettext(words), status=status, details=details, headers=headers)


def invalid(fields: Mapping[str, Sequence[str]]) -> ApiError:
    """Return the error that lists the invalid fields and their problems.

    The fields are a list, not a mapping: a value under a name like `password` would be masked.
    """
    problems = [{"field": name, "message": message} for name, messages in fields.items() for message in messages]
    return of_status(422, details={"problems": problems})


def translate(error: Exception) -> ApiError:
    """Return the error for any exception."""
    if isinstance(error, ApiError):
        return error
    for kind in type(error).__mro__:
        if known := _translations.get(kind):
            return known(error)
    return of_status(500)


def render(request: HttpRequest, error: ApiError, *, now: datetime) -> JsonResponse:
    """Write an error in the API's form, or as RFC 9457 if the caller prefers that; secrets are masked."""
    context = trace.current()
    facts = {
        "code": error.code,
        "details": mask(error.details),
        "trace_id": context.trace_id if context else None,
        "timestamp": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    message = mask_text(error.message, named=False)
    if prefers_problem(request):
        standard = {
            "type": "about:blank",
            "title": PHRASES.get(error.status, "Error"),
            "status": error.status,
            "detail": message,
        }
        body, content_type = {**standard, "instance": request.path, **facts}, PROBLEM
    else:
        body = {"success": False, "error": {"message": message, **facts}}
        content_type = "application/json"
    response = JsonResponse(body, status=error.status, content_type=content_type, headers=error.headers)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Vary"] = "Accept, Accept-Language, Authorization, Cookie"
    response.is_in_format = True  # type: ignore[attr-defined]  # `in_format` knows it by this
    return response


def respond(request: HttpRequest, error: Exception) -> JsonResponse:
    """Answer a request with the error for an exception, in the caller's language."""
    with override(get_language_from_request(request)):
        return render(request, translate(error), now=timezone.now())


def in_format(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the response, or its error in our form if another component (such as Django) wrote it in another.

    A redirect to the sign-in page is a 401.
    """
    status = 401 if _leads_to_sign_in(response) else response.status_code
    if status < 400 or getattr(response, "is_in_format", False):
        return response
    kept = {name: value for name, value in response.headers.items() if name not in OF_THE_BODY}
    with override(get_language_from_request(request)):
        return render(request, of_status(status, headers=kept), now=timezone.now())


def _leads_to_sign_in(response: HttpResponseBase) -> bool:
    return response.status_code == 302 and "/login/?next=" in response.headers.get("Location", "")


def prefers_problem(request: HttpRequest) -> bool:
    """Return whether the caller prefers errors in the form of RFC 9457."""
    # Django compares each type in the header with each other one, which is slow for long headers.
    accept = request.headers.get("Accept", "")
    if PROBLEM not in accept or len(accept) > LONGEST_ACCEPT:
        return False
    return request.get_preferred_type(["application/json", PROBLEM]) == PROBLEM


def _validation(error: django_errors.ValidationError) -> ApiError:
    return invalid(error.message_dict if hasattr(error, "error_dict") else {"__all__": error.messages})


def _known_status(status: int) -> Callable[[Exception], ApiError]:
    return lambda error: of_status(status, headers={"Retry-After": str(RETRY_S)} if status == 503 else None)


register(django_errors.ValidationError, _validation)
for _kind, _status in (
    (Http404, 404),
    (django_errors.PermissionDenied, 403),
    (django_errors.BadRequest, 400),
    (django_errors.SuspiciousOperation, 400),
    (django_errors.RequestDataTooBig, 413),
    (MultiPartParserError, 400),
    (UnreadablePostError, 400),
    (OperationalError, 503),
    (InterfaceError, 503),
    (redis.ConnectionError, 503),
    (redis.TimeoutError, 503),
    (kombu.exceptions.OperationalError, 503),
):
    register(_kind, _known_status(_status))
