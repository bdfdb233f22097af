"""Format times and durations for the page, in the active language."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _

MINUTE, HOUR, DAY = 60, 3600, 86_400


def unit_formats() -> dict[str, str]:
    """Return the format of each size of duration; the page's script uses the same ones."""
    return {
        "seconds": _("%(seconds)d s"),
        "minutes": _("%(minutes)d min"),
        "hours": _("%(hours)d h %(minutes)02d min"),
        "days": _("%(days)d d %(hours)d h"),
        "ago": _("%(duration)s ago"),
    }


def duration(seconds: float) -> str:
    """Format a duration in its one or two largest units, rounded down: "45 s", "23 min", "1 h 04 min", "2 d 3 h"."""
    formats, whole = unit_formats(), max(0, int(seconds))
    if whole < MINUTE:
        return formats["seconds"] % {"seconds": whole}
    if whole < HOUR:
        return formats["minutes"] % {"minutes": whole // MINUTE}
    if whole < DAY:
        return formats["hours"] % {"hours": whole // HOUR, "minutes": whole % HOUR // MINUTE}
    return formats["days"] % {"days": whole // DAY, "hours": whole % DAY // HOUR}


def whole(seconds: int) -> str:
    """Format a duration to the second: "12 s", "4 min 12 s", "1 h 00 min 12 s", "26 h", without zeros at the end."""
    hours, minutes, rest = seconds // HOUR, seconds % HOUR // MINUTE, seconds % MINUTE
    values = {"hours": hours, "minutes": minutes, "seconds": rest}
    if hours:
        text = _("%(hours)d h %(minutes)02d min") if minutes or rest else _("%(hours)d h")
    elif minutes:
        text = _("%(minutes)d min")
    else:
        return _("%(seconds)d s") % values
    return (text + " " + _("%(seconds)d s") if rest else text) % values


def day_name(day: date) -> str:
    # Translators: letters of Django's date format; 9 March 2025
    return format_date(day, _("j F Y"))


def age(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Format an age: relative up to a day, then as date and time."""
    seconds = (now - at).total_seconds()
    if seconds >= DAY:
        return clock(at, now, zone)
    return _("%(duration)s ago") % {"duration": duration(seconds)}


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Format an instant: the time if it is today, else date and time."""
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    # Translators: letters of Django's date format; 9 March 2025, 14:02
    return format_date(local, _("j F Y, H:i"))


def exact(at: datetime, zone: ZoneInfo) -> str:
    """Format an instant in full, with its zone, for tooltips."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def response_time(ms: float) -> str:
    """Format a response time: "84 ms", from a second on "1.24 s"."""
    if round(ms) < 1000:
        return f"{ms:.0f} ms"
    return _("%(number)s s") % {"number": f"{ms / 1000:.2f}"}
