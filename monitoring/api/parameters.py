"""The query parameters of the API: parsed strictly, and refused with an explanation."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.params.models import Query, QueryModel
from pydantic import AfterValidator, BaseModel, Field

from monitoring.accounting import time_range
from monitoring.accounting.time_range import BadWindow, Window
from monitoring.models.services import SLUG_IN_SCHEMAS
from monitoring.probes.suggestions import did_you_mean
from observability import errors
from observability.errors import ApiError, invalid

MOST = 500  # items of a page
USUAL = 100
DIGITS = 16  # of a number in a cursor: microseconds up to the year 2286
BETWEEN = "\n"  # between the parts of a cursor; no id contains it


# For the description only; the message of `BadWindow` is better than that of a pattern.
WHEN: Any = {"pattern": r"^(\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?)?$"}


def refused(fields: Mapping[str, str]) -> ApiError:
    """Return a 422 with the reason for each refused field."""
    return invalid({name: [why] for name, why in fields.items()})


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it contains a character that cannot be stored. Remove it.")
    return text


# The range that PostgreSQL supports.
Text = Annotated[str, AfterValidator(_storable), Field(max_length=1000, pattern=r"^[^\x00]*$")]
SlugText = Annotated[str, Field(max_length=100, pattern=SLUG_IN_SCHEMAS)]


class StrictQueryModel(QueryModel):
    """The parameters of one operation; unknown ones are refused, since a misspelt filter would not filter."""

    @classmethod
    def get_request_data(cls, request: HttpRequest, api: Any, path_params: Any) -> Any:
        known = cls.__ninja_flatten_map__  # type: ignore[attr-defined]  # ninja makes it
        unknown = {name: _unknown(name, known) for name in request.GET if name not in known}
        if unknown:
            raise refused(unknown)
        return super().get_request_data(request, api, path_params)


class StrictQuery(Query):  # type: ignore[misc]  # ninja's own inherit, too
    """Marks the parameters of an operation: `filters: Annotated[Filters, StrictQuery(...)]`."""

    _model = StrictQueryModel

    @classmethod
    def _param_source(cls) -> str:
        return "query"


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    return f"unknown parameter. {did_you_mean(name, known)}Available: {', '.join(known)}."


class Paged(BaseModel):
    """The parameters of every list. Pages are found by key, so rows added or removed meanwhile do not shift them."""

    cursor: Text = Field("", description="`next_cursor` of the previous page. Default: the first page.")
    limit: int = Field(USUAL, ge=1, le=MOST, description="Maximum number of items on a page.")


class Windowed(BaseModel):
    """A stretch of time, as a ledger takes it."""

    since: Text = Field(
        "",
        alias="from",
        description="A day like 2025-03-09 (included) or a time like 2025-03-09T14:00:00Z. Default: 90 days ago.",
        json_schema_extra=WHEN,
    )
    until: Text = Field(
        "",
        alias="to",
        description="A day (included) or a time (excluded). Default: the end of today.",
        json_schema_extra=WHEN,
    )

    def window(self) -> Window:
        """Return the requested window; days are those of the installation's time zone. Raises `BadWindow`."""
        given = {"from": self.since, "to": self.until}
        return time_range.asked_for(given, timezone.now(), settings.PAGE_TIME_ZONE)


errors.register(BadWindow, lambda error: refused({error.name: str(error)}))


def cursor_of(*key: object) -> str:
    """Return a key as opaque text."""
    return base64.urlsafe_b64encode(BETWEEN.join(map(str, key)).encode()).rstrip(b"=").decode()


def key_of(cursor: str, parts: int) -> list[str]:
    """Parse the output of `cursor_of`. Raises `ApiError`, 422."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise bad_cursor() from None
    key = text.split(BETWEEN)
    if len(key) != parts or "\0" in text:
        raise bad_cursor()
    return key


def number_of(text: str) -> int:
    """Read a number that is part of a key. Raises `ApiError`, 422."""
    if text.isascii() and text.isdecimal() and len(text) <= DIGITS:
        return int(text)
    raise bad_cursor()


def bad_cursor() -> ApiError:
    return refused({"cursor": _("Invalid cursor for this list. Use next_cursor of the previous page unchanged.")})


def link_next(request: HttpRequest, response: HttpResponse, cursor: str | None) -> str | None:
    """Set the header Link (RFC 8288) to the next page, and return its cursor."""
    if cursor is not None:
        query = request.GET.copy()
        query["cursor"] = cursor
        response.headers["Link"] = f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'
    return cursor
