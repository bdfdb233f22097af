"""Prepare the ledger for its page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format, get_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from incidents.models import Incident
from monitoring.accounting.ledger import Entry, LateEntry, Ledger, LedgerDay, Reading
from monitoring.accounting.stored_days import KINDS, DayFigures
from monitoring.accounting.time_range import Window
from monitoring.models import Restatement, UptimeRecordVersion
from monitoring.rules.calendar_days import bounds
from monitoring.rules.sla import Kind, percentage
from monitoring.words.causes import in_words
from monitoring.words.durations import day_name, exact, whole
from monitoring.words.statuses import KIND_TONES
from statuspage.bars import DAY_SHAPES, look, state_words
from statuspage.ledger.choices import choices
from statuspage.ledger.export import touching
from statuspage.ledger.words import bounds_words, cause_words, change_words, kind_words, late_words, terms_words

LISTED_AT_MOST = 400  # intervals; a longer ledger is read day by day


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An interval as the page shows it."""

    tone: str
    kind: str
    start: str
    end: str
    start_iso: str
    end_iso: str
    duration: str
    bounds: str  # of downtime, if they differ enough
    cause: str
    message: str  # only for signed-in readers
    last_good: str
    first_bad: str
    incidents: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A day in the calendar; without a date it only fills the week."""

    date: date | None
    number: int = 0
    shape: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    name: str
    weeks: list[list[Cell]]


def context(
    found: Ledger, window: Window, incidents: Sequence[Incident], now: datetime, zone: ZoneInfo, *, is_signed_in: bool
) -> dict[str, Any]:
    first_weekday = int(get_format("FIRST_DAY_OF_WEEK"))  # 0 is Sunday
    return {
        "service": found.service,
        "window": window,
        "window_words": _window_words(window, zone),
        "choices": choices(window, now, zone),
        "is_open": found.accounted_until < found.end_at,
        "accounted_until": exact(found.accounted_until, zone),
        "official": _shown(found.official, incidents, zone, is_signed_in=is_signed_in),
        "measured": _shown(found.measured, incidents, zone, is_signed_in=is_signed_in) if found.measured else None,
        "restatements": [_restatement(row, zone, is_signed_in=is_signed_in) for row in found.restatements],
        "late": [_late(each, zone, is_signed_in=is_signed_in) for each in found.late],
        "earlier": [_earlier(row, zone) for row in found.earlier],
        "policies": [(each.version, list(terms_words(each))) for each in found.terms],
        "change": change_words() if found.is_changed_today else "",
        "sample_days": found.sample_days,
        "weekdays": [_weekday((first_weekday + 6 + n) % 7) for n in range(7)],
        "months": list(_months(found.official.days, first_weekday)),
        "zone": zone.key,
    }


def _restatement(row: Restatement, zone: ZoneInfo, *, is_signed_in: bool) -> dict[str, Any]:
    return {
        "since": exact(row.since, zone),
        "until": exact(row.until, zone),
        "kind": kind_words(Kind(row.restated_as)),
        "reason": row.reason,
        "decided": exact(row.decided_at, zone) if row.decided_at else "",
        "is_self_approved": row.is_self_approved,
        "names": [str(user or "–") for user in (row.proposed_by, row.decided_by)] if is_signed_in else [],
    }


def _late(entry: LateEntry, zone: ZoneInfo, *, is_signed_in: bool) -> dict[str, Any]:
    return {
        "since": exact(entry.start_at, zone),
        "until": exact(entry.end_at, zone),
        "duration": whole(entry.seconds),
        "what": late_words(entry),
        "entered": exact(entry.entered_at, zone),
        "reason": entry.reason,
        "by": entry.by if is_signed_in else "",
    }


def _earlier(row: UptimeRecordVersion, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "date": row.date,
        "day": day_name(row.date),
        "uptime": "—" if row.uptime_percentage is None else f"{row.uptime_percentage:.2f} %",
        "until": exact(row.replaced_at, zone),
        "cause": row.get_cause_display(),
    }


def _window_words(window: Window, zone: ZoneInfo) -> str:
    edges = (bounds(window.first, zone)[0], bounds(window.last, zone)[1])
    if edges != (window.start, window.end):
        return f"{exact(window.start, zone)} – {exact(window.end, zone)}"
    if window.first == window.last:
        return day_name(window.first)
    return f"{day_name(window.first)} – {day_name(window.last)}"


def _shown(reading: Reading, incidents: Sequence[Incident], zone: ZoneInfo, *, is_signed_in: bool) -> dict[str, Any]:
    figures, total = reading.figures, sum(reading.seconds.values())
    is_listed = len(reading.entries) <= LISTED_AT_MOST
    return {
        "uptime": percentage(figures.uptime),
        "coverage": percentage(figures.coverage),
        "lower": percentage(figures.lower),
        "upper": percentage(figures.upper),
        "count": len(reading.entries),
        "lines": [_line(entry, incidents, zone, is_signed_in) for entry in reading.entries] if is_listed else [],
        "down": bounds_words(down_s, reading.down) if (down_s := reading.seconds[Kind.DOWN]) else "",
        "sums": [(KIND_TONES[k], kind_words(k), whole(s), s) for k, s in reading.seconds.items() if s],
        "total": whole(total),
        "total_s": total,
    }


def _line(entry: Entry, incidents: Sequence[Incident], zone: ZoneInfo, is_signed_in: bool) -> Line:
    return Line(
        tone=KIND_TONES[entry.kind],
        kind=kind_words(entry.kind),
        start=f"{entry.start_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        end=f"{entry.end_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        start_iso=entry.start_at.isoformat(),
        end_iso=entry.end_at.isoformat(),
        duration=whole(entry.seconds),
        bounds=bounds_words(entry.seconds, entry.bounds),
        cause=cause_words(entry),
        message=in_words(entry.error_message) if is_signed_in else "",
        last_good=exact(entry.last_good_at, zone) if entry.last_good_at else "",
        first_bad=exact(entry.first_bad_at, zone) if entry.first_bad_at else "",
        incidents=[incident.title for incident in touching(entry, incidents)],
    )


def _months(days: Sequence[LedgerDay], first_weekday: int) -> Iterator[Month]:
    for (_year, _month), group in groupby(days, key=lambda day: (day.date.year, day.date.month)):
        cells = [_cell(day) for day in group]
        first = cells[0].date
        assert first is not None
        blank = Cell(date=None)
        cells = [blank] * ((first.isoweekday() - first_weekday) % 7) + cells
        cells += [blank] * (-len(cells) % 7)
        weeks = [cells[n : n + 7] for n in range(0, len(cells), 7)]
        yield Month(name=date_format(first, "YEAR_MONTH_FORMAT"), weeks=weeks)


def _weekday(number: int) -> str:
    """Return the name of a weekday, Monday being 0, short enough for a cell."""
    name = str(WEEKDAYS_ABBR[number])
    return name[:1] if get_language() == "ko" else name


def _cell(day: LedgerDay) -> Cell:
    figures = DayFigures(day.status, tuple(day.seconds[kind] for kind in KINDS), 100, is_sample=False)
    words = [day_name(day.date), state_words(look(figures))]
    if uptime := percentage(day.figures.uptime):
        words.append(f"{uptime} %")
    if down_s := day.seconds[Kind.DOWN]:
        words.append(_("Down %(duration)s") % {"duration": whole(down_s)})
    return Cell(date=day.date, number=day.date.day, shape=DAY_SHAPES[look(figures)], words=", ".join(words))
