"""The recurrences that the form offers by name, and the rules that they stand for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import models
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.maintenance.recurrence import DAYS


class Repeats(models.TextChoices):
    ONCE = "once", gettext_lazy("Once")
    DAILY = "daily", gettext_lazy("Every day")
    WEEKLY = "weekly", gettext_lazy("Every week, on certain days")
    MONTHLY = "monthly", gettext_lazy("Every month, on a certain weekday")
    RULE = "rule", gettext_lazy("By a rule of your own (RRULE)")


WEEKDAYS = (
    ("MO", gettext_lazy("Monday")),
    ("TU", gettext_lazy("Tuesday")),
    ("WE", gettext_lazy("Wednesday")),
    ("TH", gettext_lazy("Thursday")),
    ("FR", gettext_lazy("Friday")),
    ("SA", gettext_lazy("Saturday")),
    ("SU", gettext_lazy("Sunday")),
)
NUMBERS = (
    ("1", gettext_lazy("first")),
    ("2", gettext_lazy("second")),
    ("3", gettext_lazy("third")),
    ("4", gettext_lazy("fourth")),
    ("-1", gettext_lazy("last")),
)
_NAMED = re.compile(
    r"FREQ=(?:(?P<daily>DAILY)|WEEKLY;BYDAY=(?P<days>[A-Z,]+)|MONTHLY;BYDAY=(?P<number>-1|[1-4])(?P<day>[A-Z]{2}))"
    r"(?:;UNTIL=(?P<until>\d{8}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A recurrence as the form has it."""

    repeats: str = Repeats.ONCE
    days: Sequence[str] = ()  # of weekly ones
    number: str = "1"  # of monthly ones
    day: str = "SU"
    last_on: date | None = None
    rrule: str = ""  # of one's own


def rule_of(choice: Choice, starts_on: date) -> str:
    """Return the rule of a choice; weekly without days means the weekday of the start."""
    until = f";UNTIL={choice.last_on:%Y%m%d}" if choice.last_on else ""
    if choice.repeats == Repeats.DAILY:
        return f"FREQ=DAILY{until}"
    if choice.repeats == Repeats.WEEKLY:
        days = [day for day in DAYS if day in choice.days] or [DAYS[starts_on.weekday()]]
        return f"FREQ=WEEKLY;BYDAY={','.join(days)}{until}"
    if choice.repeats == Repeats.MONTHLY:
        return f"FREQ=MONTHLY;BYDAY={choice.number}{choice.day}{until}"
    return choice.rrule.strip() if choice.repeats == Repeats.RULE else ""


def choice_of(rrule: str) -> Choice:
    """Return the choice that a rule stands for; one of one's own if it is none of the others."""
    if not rrule:
        return Choice()
    found = _NAMED.fullmatch(rrule)
    days = found["days"].split(",") if found and found["days"] else []
    if found is None or not set(days) <= set(DAYS) or (found["day"] and found["day"] not in DAYS):
        return Choice(repeats=Repeats.RULE, rrule=rrule)
    until = datetime.strptime(found["until"], "%Y%m%d").date() if found["until"] else None  # noqa: DTZ007  a day
    if found["daily"]:
        return Choice(repeats=Repeats.DAILY, last_on=until)
    if days:
        return Choice(repeats=Repeats.WEEKLY, days=days, last_on=until)
    return Choice(repeats=Repeats.MONTHLY, number=found["number"], day=found["day"], last_on=until)


def words_of(rrule: str) -> str:
    """Return a rule in words; one of one's own as it is."""
    choice = choice_of(rrule)
    names = dict(WEEKDAYS)
    if choice.repeats == Repeats.RULE:
        return choice.rrule
    if choice.repeats == Repeats.WEEKLY:
        words = _("Every week: %(days)s") % {"days": ", ".join(str(names[day]) for day in choice.days)}
    elif choice.repeats == Repeats.MONTHLY:
        named = {"number": str(dict(NUMBERS)[choice.number]), "day": str(names[choice.day])}
        words = _("Every month: %(number)s %(day)s") % named
    else:
        words = str(Repeats(choice.repeats).label)
    until = _("until %(day)s") % {"day": date_format(choice.last_on, "Y-m-d")} if choice.last_on else ""
    return f"{words}, {until}" if until else words
