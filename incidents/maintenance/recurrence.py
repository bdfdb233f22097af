"""Recurrence rules (RFC 5545) in local wall time, in bounded work.

A rule says on which days and at which wall times maintenance begins; the zone is attached afterwards. So 02:00 stays
02:00 when clocks change.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule as dateutil_rrule
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.probes.suggestions import shown

LONGEST_RULE = 500  # characters
MOST_VALUES = 60  # of a list in a rule
MOST_STARTS_A_DAY = 24
MOST_INTERVAL, MOST_COUNT = 1000, 100_000
FREQUENCIES = {"DAILY": 3, "WEEKLY": 2, "MONTHLY": 1, "YEARLY": 0}  # as dateutil numbers them
TOO_OFTEN = ("HOURLY", "MINUTELY", "SECONDLY")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
NUMBERS = {  # lists of numbers: lowest, highest, whether they may count from the end
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYSETPOS": (1, 366, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
}
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST", *NUMBERS)
FORBIDDEN_WITH = {  # part: the frequencies for which RFC 5545 does not allow it
    "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYMONTHDAY": ("WEEKLY",),
}
OTHER_LINES: Mapping[str, Any] = {
    "DTSTART": gettext_lazy("Enter the start in its own fields."),
    "EXDATE": gettext_lazy("Skip single occurrences after the plan is saved."),
    "RDATE": gettext_lazy("Plan further dates separately."),
    "EXRULE": gettext_lazy("Skip single occurrences after the plan is saved."),
    "BYSECOND": gettext_lazy("Maintenance begins on whole minutes."),
}
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z)?)?", re.ASCII)
# The calendar repeats after 400 years, weekdays included.
CYCLE_YEARS, CYCLE = 400, timedelta(days=146_097)
LAST_YEAR = 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that was read, as keyword arguments of dateutil; no `until`, which may be an instant."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    until_wall: datetime | None = None
    until_instant: datetime | None = None


def read(text: str) -> Rule:
    """Read a rule such as `FREQ=WEEKLY;BYDAY=SU`. Raises `ValidationError` with the part that is wrong and a remedy."""
    values = _parts(text)
    freq = _frequency(values)
    for part, frequencies in FORBIDDEN_WITH.items():
        if part in values and freq in frequencies:
            raise _refused(_("%(part)s cannot be used with FREQ=%(freq)s. Remove it."), part=part, freq=freq)
    if "COUNT" in values and "UNTIL" in values:
        raise _refused(_("COUNT and UNTIL exclude each other. Remove one of them."))
    arguments: dict[str, Any] = {"freq": FREQUENCIES[freq]}
    if "INTERVAL" in values:
        arguments["interval"] = _number("INTERVAL", values["INTERVAL"], 1, MOST_INTERVAL)
    if "COUNT" in values:
        arguments["count"] = _number("COUNT", values["COUNT"], 1, MOST_COUNT)
    if "WKST" in values:
        arguments["wkst"] = _weekday(values["WKST"])
    if "BYDAY" in values:
        arguments["byweekday"] = _weekdays(values["BYDAY"], _highest_number(freq, values))
    for part in NUMBERS.keys() & values.keys():
        arguments[part.lower()] = _numbers(part, values[part])
    _refuse_too_many_a_day(arguments)
    if "BYSETPOS" in values and not any(part.startswith("BY") and part != "BYSETPOS" for part in values):
        raise _refused(_("BYSETPOS chooses among the days of another part, such as BYDAY. Add one, or remove it."))
    wall, instant = _until(values["UNTIL"]) if "UNTIL" in values else (None, None)
    return Rule(arguments=arguments, until_wall=wall, until_instant=instant)


def walls(rule: Rule, first: datetime) -> Iterator[datetime]:
    """Yield the naive wall times of a rule that begins at `first`, in order.

    dateutil looks for the next date up to the year 9999: a rule that never matches, such as 30 February, takes seconds.
    So the rule is run as many whole cycles of the calendar later as possible: then less than 400 years are left.
    """
    cycles = max(0, (LAST_YEAR - first.year) // CYCLE_YEARS)
    later = first + cycles * CYCLE
    try:
        for found in dateutil_rrule.rrule(dtstart=later, **rule.arguments):
            yield found - cycles * CYCLE
    except (ValueError, OverflowError):  # the last week of the calendar
        return


def instants(text: str, first: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants (UTC) at which a rule begins, in order, each once; without a rule, the first one alone.

    A wall time that does not exist moves forward by the gap, and of one that clocks show twice it is the first one
    (RFC 5545, section 3.3.5).
    """
    if not text:
        yield instant_of_wall(first, zone)
        return
    rule, last = read(text), None
    for wall in walls(rule, first):
        if rule.until_wall is not None and wall > rule.until_wall:
            return
        instant = instant_of_wall(wall, zone)
        if rule.until_instant is not None and instant > rule.until_instant:
            return
        if last is None or instant > last:  # in the hour that clocks skip, two wall times are one instant
            yield instant
            last = instant


def instant_of_wall(wall: datetime, zone: ZoneInfo) -> datetime:
    # With fold=0, Python takes the offset before the change, in a gap as well as in a repeated hour.
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _parts(text: str) -> dict[str, str]:
    if len(text) > LONGEST_RULE:
        words = _("The rule has %(length)d characters; %(longest)d are allowed. Plan several maintenances instead.")
        raise _refused(words, length=len(text), longest=LONGEST_RULE)
    line = text.strip().upper().removeprefix("RRULE:")
    found: dict[str, str] = {}
    for piece in filter(None, re.split(r"[;\n]", line)):
        part, equals, value = (each.strip() for each in piece.partition("="))
        name = re.split(r"[:;]", part)[0]
        if name in OTHER_LINES:
            raise _refused("%(part)s: %(remedy)s", part=name, remedy=str(OTHER_LINES[name]))
        if part not in PARTS:
            words = _("%(part)s is not a part of a rule. Use parts of RFC 5545, as in FREQ=WEEKLY;BYDAY=SU.")
            raise _refused(words, part=shown(piece.strip()))
        if not equals or not value:
            raise _refused(_("%(part)s has no value. Enter one, as in FREQ=WEEKLY;BYDAY=SU."), part=part)
        if part in found:
            raise _refused(_("%(part)s is there twice. Keep one of them."), part=part)
        found[part] = value
    return found


def _frequency(values: Mapping[str, str]) -> str:
    freq = values.get("FREQ")
    if freq is None:
        raise _refused(_("The rule has no FREQ. Begin with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY."))
    if freq in TOO_OFTEN:
        words = _("FREQ=%(freq)s is too often for maintenance. Use FREQ=DAILY with BYHOUR, for example BYHOUR=2,14.")
        raise _refused(words, freq=freq)
    if freq not in FREQUENCIES:
        raise _refused(_("FREQ=%(freq)s is unknown. Enter DAILY, WEEKLY, MONTHLY or YEARLY."), freq=shown(freq))
    return freq


def _number(part: str, value: str, lowest: int, highest: int, may_be_negative: bool = False) -> int:
    match = re.fullmatch(r"([+-]?)(\d{1,9})", value, re.ASCII)
    if match is None or not lowest <= int(match[2]) <= highest or (match[1] == "-" and not may_be_negative):
        words = _("%(part)s=%(value)s is out of range. Enter a number from %(lowest)d to %(highest)d.")
        raise _refused(words, part=part, value=shown(value), lowest=lowest, highest=highest)
    return -int(match[2]) if match[1] == "-" else int(match[2])


def _numbers(part: str, value: str) -> list[int]:
    lowest, highest, may_be_negative = NUMBERS[part]
    return [_number(part, each, lowest, highest, may_be_negative) for each in _listed(part, value)]


def _listed(part: str, value: str) -> list[str]:
    found = [each.strip() for each in value.split(",")]
    if len(found) > MOST_VALUES:
        words = _("%(part)s has %(count)d values; %(most)d are allowed.")
        raise _refused(words, part=part, count=len(found), most=MOST_VALUES)
    return found


def _weekday(value: str) -> int:
    if value not in DAYS:
        raise _refused(_("%(value)s is not a day. Enter MO, TU, WE, TH, FR, SA or SU."), value=shown(value))
    return DAYS.index(value)


def _highest_number(freq: str, values: Mapping[str, str]) -> int:
    """Return how many of a weekday a period can have, which a number before it may count; 0 if it may have none."""
    if freq == "MONTHLY" or (freq == "YEARLY" and "BYMONTH" in values):
        return 5
    return 53 if freq == "YEARLY" and "BYWEEKNO" not in values else 0


def _weekdays(value: str, highest: int) -> list[Any]:
    found = []
    for each in _listed("BYDAY", value):
        match = _DAY.fullmatch(each)
        if match is None:
            words = _("BYDAY=%(value)s is not a day. Enter days such as MO, or 1MO and -1FR for the first and last.")
            raise _refused(words, value=shown(each))
        number = int(match[1] or 0)
        if match[1] and not highest:
            words = _("BYDAY=%(value)s has a number, which needs FREQ=MONTHLY, or YEARLY without BYWEEKNO.")
            raise _refused(words, value=shown(each))
        if match[1] and not 1 <= abs(number) <= highest:
            words = _("BYDAY=%(value)s: there are at most %(highest)d of a weekday. Enter a number from 1 to that.")
            raise _refused(words, value=shown(each), highest=highest)
        weekday = dateutil_rrule.weekday(DAYS.index(match[2]))
        found.append(weekday(number) if number else weekday)
    return found


def _refuse_too_many_a_day(arguments: Mapping[str, Any]) -> None:
    starts = len(set(arguments.get("byhour", (0,)))) * len(set(arguments.get("byminute", (0,))))
    if starts > MOST_STARTS_A_DAY:
        words = _("BYHOUR and BYMINUTE make %(count)d starts a day; %(most)d are allowed.")
        raise _refused(words, count=starts, most=MOST_STARTS_A_DAY)


def _until(value: str) -> tuple[datetime | None, datetime | None]:
    """Return the end as wall time, whose day is included, or as an instant."""
    match = _UNTIL.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        clock = match[2] or "235959"
        day = date(int(match[1][:4]), int(match[1][4:6]), int(match[1][6:]))
        wall = datetime.combine(day, time(int(clock[:2]), int(clock[2:4]), int(clock[4:])))
    except ValueError:
        words = _("UNTIL=%(value)s is not a date. Enter it as 20271231, or as 20271231T020000 in local time.")
        raise _refused(words, value=shown(value)) from None
    return (None, wall.replace(tzinfo=UTC)) if match[3] else (wall, None)


def _refused(words: str, **params: Any) -> ValidationError:
    return ValidationError(words, code="rule", params=params)
