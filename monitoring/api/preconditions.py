"""Preconditions of changes: entity tags and If-Match (RFC 9110, section 13)."""

import hashlib

from django.http import HttpRequest
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from pydantic import BaseModel

from observability.errors import ApiError, of_status


def etag_of(shown: BaseModel) -> str:
    """Return a strong tag of the representation, which differs whenever anything in it does."""
    content = shown.model_dump_json(exclude_unset=True).encode()
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def demand(request: HttpRequest, current: str, *, is_required: bool) -> None:
    """Accept a change for the current tag, or for any (`*`).

    Raises `ApiError`: 412 for another tag, 428 if a required one is missing, 400 for an invalid one.
    """
    header = request.headers.get("If-Match")
    if header is None:
        if is_required:
            raise of_status(428, headers={"ETag": current})
        return
    tags = parse_etags(header)
    if not tags:
        raise ApiError(
            "MALFORMED_REQUEST",
            _("If-Match contains no tag. Send the ETag exactly as you received it, with its quotes."),
            status=400,
        )
    # A weak tag never matches here.
    if tags != ["*"] and current not in tags:
        raise of_status(412, details={"etag": current}, headers={"ETag": current})


def is_known(request: HttpRequest, current: str) -> bool:
    """Return whether the caller has the current representation, so that a 304 suffices."""
    tags = parse_etags(request.headers.get("If-None-Match", ""))
    return tags == ["*"] or current in [tag.removeprefix("W/") for tag in tags]
