"""The windows that a ledger offers."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from monitoring.accounting.time_range import Window
from monitoring.rules.calendar_days import bounds, day_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A window in the list of choices."""

    label: str
    first: date
    last: date
    is_chosen: bool


def choices(window: Window, now: datetime, zone: ZoneInfo) -> list[Choice]:
    today = day_of(now, zone)
    month = today.replace(day=1)
    last_month = (month - timedelta(days=1)).replace(day=1)
    offered = [
        (_("Today"), today, today),
        (_("Yesterday"), today - timedelta(days=1), today - timedelta(days=1)),
        *((_("%(days)d days") % {"days": n}, today - timedelta(days=n - 1), today) for n in (7, 30, 90)),
        (_("This month"), month, today),
        (_("Last month"), last_month, month - timedelta(days=1)),
    ]
    chosen = (bounds(window.first, zone)[0], bounds(window.last, zone)[1]) == (window.start, window.end)
    return [
        Choice(label=label, first=first, last=last, is_chosen=chosen and (first, last) == (window.first, window.last))
        for label, first, last in offered
    ]
