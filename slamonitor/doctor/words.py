"""Format sizes, ages and counts for people."""

from datetime import datetime

from django.template.defaultfilters import filesizeformat
from django.utils.timesince import timesince
from django.utils.translation import gettext as _


def size(bytes_count: float) -> str:
    return str(filesizeformat(bytes_count)).replace("\xa0", " ")


def ago(at: datetime | None, now: datetime) -> str:
    """Return the time since an instant, in one unit; "never" for None."""
    if at is None:
        return _("never")
    return _("%(time)s ago") % {"time": timesince(at, now, depth=1).replace("\xa0", " ")}


def count(number: float) -> str:
    return f"{number:,.0f}"
