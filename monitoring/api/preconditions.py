"""Changes that only hold for what somebody has read: entity tags and If-Match (RFC 9110, section 13)."""

import hashlib

from django.http import HttpRequest
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from pydantic import BaseModel

from observability.errors import ApiError, of_status


def etag_of(shown: BaseModel) -> str:
    """Return a strong tag of what is shown: it is another one whenever anything in it is."""
    content = shown.model_dump_json(exclude_unset=True).encode()
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def demand(request: HttpRequest, current: str, *, is_required: bool) -> None:
    """Let a change through that is meant for the current tag, or for whatever is there (`*`).

    Raises `ApiError`: 412 for another tag, 428 without any where one is needed, 400 for what is no tag.
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
    """Tell whether the caller has what is shown already, and a 304 will do."""
    tags = parse_etags(request.headers.get("If-None-Match", ""))
    return tags == ["*"] or current in [tag.removeprefix("W/") for tag in tags]
