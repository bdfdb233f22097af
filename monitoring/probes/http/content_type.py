"""Read a Content-Type as Chromium does: of several the last one counts, and quotes may hold anything."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from monitoring.probes.http.head import Header

_VALUES = re.compile(r"(?:[^,\"]|\"(?:[^\"\\]|\\.)*+(?:\"|\\?$))+", re.DOTALL)
_KIND = re.compile(r"[ \t]*([^ \t;/]+/[^ \t;(]+)")
_PARAMETER = re.compile(r";([^;=]*+)=[ \t]*+(?:\"((?:[^\"\\]|\\.)*+)(?:\"|\\?$)|([^;\"][^;]*))", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class ContentType(NamedTuple):
    """The type of a body, such as `text/html` in lower case, and the name of its encoding; empty if not given."""

    kind: str = ""
    charset: str = ""


def values_of(headers: Sequence[Header]) -> str:
    """Return the values of all Content-Type headers as one."""
    return ", ".join([value.decode("latin-1") for name, value in headers if name.lower() == b"content-type"])


def read_content_type(text: str) -> ContentType:
    """Return what the values of the header mean together; those without a type mean nothing."""
    found = ContentType()
    for value in _VALUES.findall(text):
        match = _KIND.match(value)
        if match is None or match[1] == "*/*":
            continue
        kind, charset = match[1].lower(), _charset(value)
        # The encoding of an earlier value holds as long as the type is the same.
        found = ContentType(kind, found.charset if charset is None and kind == found.kind else charset or "")
    return found


def _charset(value: str) -> str | None:
    for name, quoted, plain in _PARAMETER.findall(value):
        if name.strip(" \t").lower() == "charset":
            # Chromium knows neither single quotes nor blanks before the sign, but both are common.
            return (plain or _ESCAPE.sub(r"\1", quoted)).strip("\"' \t")
    return None
