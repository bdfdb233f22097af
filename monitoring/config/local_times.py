"""Read local times that people enter, and say what to enter where clocks show a time twice or never."""

import re
from datetime import datetime, tzinfo

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from monitoring.rules.local_times import Repeated, Skipped, instant_of, with_offset

# A plus sign in a URL that was not escaped arrives as a space.
_LOST_PLUS = re.compile(r"(?<=\d) +(?=\d\d:?\d\d$)")


class NoInstant(ValueError):
    """A text is no instant, or two; the message, in the active language, has the remedy."""


def read_instant(text: str, zone: tzinfo) -> datetime | None:
    """Return the instant of a date and time, with or without an offset; None for other text. Raises `NoInstant`."""
    try:
        found = parse_datetime(text[:11] + _LOST_PLUS.sub("+", text[11:]))
        if found is not None and found.tzinfo is None:
            found = instant_of(found, zone)
    except (Repeated, Skipped) as error:
        raise NoInstant(words_of(error, zone)) from None
    except (ValueError, OverflowError):
        return None
    return found


def words_of(error: Repeated | Skipped, zone: tzinfo, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return what to enter instead; `form` is that of the field, in which an offset may follow."""
    if isinstance(error, Skipped):
        words = _(
            "This time does not exist in %(zone)s, because clocks are set forward. The nearest times are %(before)s and"
            " %(after)s."
        )
        return words % {
            "zone": zone,
            "before": f"{error.before:%Y-%m-%d %H:%M:%S}",
            "after": f"{error.after:%Y-%m-%d %H:%M:%S}",
        }
    words = _(
        "Clocks in %(zone)s show this time twice, because they are set back. Enter %(first)s for the first time"
        " (%(first_name)s), or %(second)s for the second (%(second_name)s)."
    )
    form = form if not error.first.second else form.replace("%M", "%M:%S")
    return words % {
        "zone": zone,
        "first": with_offset(error.first, form),
        "first_name": error.first.tzname(),
        "second": with_offset(error.second, form),
        "second_name": error.second.tzname(),
    }
