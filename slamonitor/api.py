"""`/api/v1`, with the routers of all apps, and its description at `/api/v1/openapi.json` and `/api/docs`."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic_core import to_json

import accounts.api
import incidents.api
import monitoring.api
import statuspage.api
from observability import errors
from observability.errors import ApiError, invalid, of_status
from slamonitor.openapi import describe

INTRODUCTION = f"""
Services, their checks and their figures.

- **Token.** Create one in the admin under *API tokens*, or with `{settings.PROGRAM_NAME} create_token`. Send it with
  each request: `Authorization: Bearer slm_…`. It acts for its user, within the role of the user and its own scope.
- **Lists** have pages: `next_cursor` of one page is the `cursor` of the next. Items added or removed meanwhile
  don't shift the others.
- **Errors** have one format: a `code` for programs and a `message` for people. A 422 lists every mistake in
  `details.problems`. `trace_id` identifies the request in our logs.
- **Changes** can be limited to the version that you read: send its `ETag` as `If-Match`, and newer changes are not
  overwritten. A request that is sent twice with the same `Idempotency-Key` is processed once.
- **Limits.** `RateLimit-Remaining` is the number of requests left; after a 429 wait for `Retry-After` seconds.
""".strip()
LONGEST_KEY = 100  # characters of a key in an error message
JSON_TYPES = ("application/json",)


class StrictParser(Parser):
    """Parse JSON strictly, as in RFC 8259: with its media type, no NaN, no infinity, every key once."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type not in JSON_TYPES:
            raise of_status(415, details={"accepted": JSON_TYPES}, headers={"Accept": ", ".join(JSON_TYPES)})
        try:
            text = request.body.decode(json.detect_encoding(request.body))
            found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
            if "\\ud" in text.lower():
                json.dumps(found, ensure_ascii=False).encode()  # half of a pair (`\ud800`) cannot be stored or sent
            return found
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, json.JSONDecodeError | _Twice) else type(error).__name__
            words = _("The body is not JSON: %(why)s.") % {"why": why}
            raise ApiError("MALFORMED_REQUEST", words, status=400) from error


class JsonRenderer(BaseRenderer):
    """Render JSON as pydantic does: instants to the microsecond, text without escapes."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class _Twice(ValueError):
    """A key occurs twice, and parsers differ in which one they use."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Twice(f"the key {twice[:LONGEST_KEY]!r} is listed twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Twice(f"{name} is not a number")


class Api(NinjaAPI):
    """The API with one format of errors: exceptions are passed to the middleware, which renders them."""

    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        cause = exc.__cause__  # ninja wraps the exceptions of parsers
        raise cause if isinstance(cause, ApiError) else exc


api = Api(
    title="SLA Monitor API",
    version="1",
    description=INTRODUCTION,
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    parser=StrictParser(),
    renderer=JsonRenderer(),
)
api.add_router("", accounts.api.router)
api.add_router("", monitoring.api.router)
api.add_router("", statuspage.api.router)
api.add_router("", incidents.api.router)


@login_not_required
@require_safe
@cache_control(public=True, max_age=300)
def openapi(request: HttpRequest) -> HttpResponse:
    """Describe the API for programs: OpenAPI 3.1."""
    return HttpResponse(_document(), content_type="application/json")


@login_not_required
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the description of the API, with a form to try it."""
    return render(request, "api/docs.html")


@lru_cache(maxsize=1)
def _document() -> bytes:
    return json.dumps(describe(api)).encode()


def urls() -> list[URLPattern]:
    """Return the URL patterns. They need a token, so requests without one are not redirected to the sign-in."""
    found = [path("docs", docs, name="api-docs"), path("v1/openapi.json", openapi, name="api-openapi")]
    for pattern in api.urls[0]:
        assert isinstance(pattern, URLPattern)
        view = login_not_required(_with_head(pattern.callback))
        found.append(path(f"v1/{pattern.pattern}", view, name=pattern.name))
    return found


def _with_head(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer HEAD like GET, as RFC 9110 (9.1) requires; the web server omits the body."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        method = request.method
        request.method = "GET" if method == "HEAD" else method
        try:
            response = view(request, *args, **kwargs)
        finally:
            request.method = method  # for logs and metrics
        if response.status_code == 405:
            response.headers["Allow"] = response.headers["Allow"].replace("GET", "GET, HEAD")
        return response

    return answer


def _validation(error: ValidationError) -> ApiError:
    """Return an error with all problems, by the parameter or the key of the body."""
    fields: dict[str, list[str]] = {}
    for each in error.errors:
        # The location, the argument of our function, then the path within it.
        place, *_argument, name = [*map(str, each["loc"]), ""] if len(each["loc"]) < 2 else map(str, each["loc"])
        fields.setdefault(name or place, []).append(each["msg"])
    return invalid(fields)


errors.register(ValidationError, _validation)
errors.register(HttpError, lambda error: of_status(error.status_code))
