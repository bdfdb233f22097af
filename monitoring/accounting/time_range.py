"""Parse the window for which a visitor of a ledger, or a program, requests figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from monitoring.config.local_times import NoInstant, read_instant
from monitoring.rules.calendar_days import bounds, day_of

DAYS = 90  # as many as the page shows; the default
LONGEST = timedelta(days=400)
YEARS = range(1971, 9_000)  # beyond these, calculating with dates fails


class BadWindow(Exception):
    """The requested window cannot be accounted; the message, in the active language, says why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name  # of the parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    start: datetime
    end: datetime
    first: date  # the days that it touches
    last: date


def asked_for(query: Mapping[str, str], now: datetime, zone: ZoneInfo) -> Window:
    """Read `from` and `to`: dates, both included, or instants, half-open; without them the last 90 days."""
    today = day_of(now, zone)
    start = _edge(query.get("from", ""), "from", zone)[0] if query.get("from") else None
    end = _edge(query.get("to", ""), "to", zone)[1] if query.get("to") else bounds(today, zone)[1]
    if start is None:
        start = bounds(day_of(end - timedelta(microseconds=1), zone) - timedelta(days=DAYS - 1), zone)[0]
    if start >= end:
        raise BadWindow("to", _("The window ends before it begins. Choose a “from” that is earlier than “to”."))
    if end - start > LONGEST + timedelta(hours=2):  # clocks may have been set
        raise BadWindow(
            "from", _("The window is longer than %(days)d days. Choose a shorter one.") % {"days": LONGEST.days}
        )
    if start > now:
        raise BadWindow("from", _("The window begins in the future, so there are no figures yet."))
    last = day_of(end - timedelta(microseconds=1), zone)
    return Window(start=start, end=end, first=day_of(start, zone), last=last)


def _edge(text: str, name: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the start and end of a named day, or a named instant twice."""
    try:
        if len(text) <= 10 and (day := parse_date(text)) and day.year in YEARS:
            return bounds(day, zone)
        instant = read_instant(text, zone)
        if instant and instant.year in YEARS:
            whole = instant.replace(microsecond=0)
            return whole, whole
    except NoInstant as error:
        raise BadWindow(name, str(error)) from None
    except ValueError:
        pass  # it looks like a date, but does not exist
    raise BadWindow(
        name, _("“%(name)s” is not a date. Enter a date like 2025-03-09 or 2025-03-09T14:00:00Z.") % {"name": name}
    )
