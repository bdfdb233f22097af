"""Draw the days of a service as bars, and say each in words; both made once for as long as the days stay the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from monitoring import daily
from monitoring.daily import DayFigures, Record
from monitoring.models.rollups import EMPTY_DAY
from monitoring.sla import Kind, percentage
from monitoring.state import Status
from statuspage.durations import day_name, whole
from statuspage.readmodel import DAYS

PITCH, HEIGHT = 8, 34  # of bars 6 wide; `_bar_shapes.html` and `bars.css` know these too
MAINTENANCE, PAUSED = "maintenance", "paused"
# The outlines of the plain bars, from their left edge at `x`. The others have two tones and refer to a shape.
OUTLINES = {
    Status.OPERATIONAL: ("bar-o", "M{x} 0h6v34h-6z"),
    Status.UNKNOWN: ("bar-nd", "M{x} 17h6v17h-6z"),
    PAUSED: ("bar-nd", "M{x} 17h6v17h-6z"),
    EMPTY_DAY: ("bar-e", "M{x}.7 27.7h4.6v5.6h-4.6z"),
}
SHAPES = {Status.PARTIAL: "po", Status.DOWN: "mo", MAINTENANCE: "m"}
DAY_SHAPES = {**SHAPES, Status.OPERATIONAL: "o", Status.UNKNOWN: "nd", PAUSED: "nd", EMPTY_DAY: "e"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The days of one service as the page shows them."""

    bars: SafeString  # elements of an SVG of DAYS × PITCH by HEIGHT
    words: SafeString  # the same as list items, for those who do not see it; equal days in a row are one
    uptime: str | None  # of all days as one stretch of time, floored; None: nothing was measured
    coverage: str  # in words; empty: nothing is missing


def strip(record: Record, created_on: date, first: date) -> Strip:
    """Return the strip of `DAYS` days from the first on, in the active language."""
    return _strip(record, max(0, (created_on - first).days), first, get_language() or "en")


@lru_cache(maxsize=1_200)
def _strip(record: Record, created_number: int, first: date, language: str) -> Strip:
    stored = {day.number: day for day in record.days}
    days = [stored.get(number) or _missing(number, created_number) for number in range(DAYS)]
    figures = daily.figures_of(record.days)
    names = _day_names(first, language)
    return Strip(
        bars=mark_safe("".join([_bar(day, names[day.number], language) for day in days])),
        words=mark_safe("".join([f"<li>{escape(words)}</li>" for words in _in_words(days, names, language)])),
        uptime=percentage(figures.uptime),
        coverage=_coverage_words(figures.coverage),
    )


def look(day: DayFigures) -> str:
    """Return how a day looks: its status, or why nothing was measured in it."""
    if day.status == Status.UNKNOWN and day.of(Kind.MAINTENANCE):
        return MAINTENANCE
    if day.status == Status.UNKNOWN and day.of(Kind.PAUSED) and not day.of(Kind.UNKNOWN):
        return PAUSED
    return day.status


def state_words(look: str) -> str:
    return {
        Status.OPERATIONAL: _("Operational"),
        Status.PARTIAL: _("Partial outage"),
        Status.DOWN: _("Major outage"),
        Status.UNKNOWN: _("No data"),
        EMPTY_DAY: _("Not yet monitored"),
        MAINTENANCE: _("Maintenance"),
        PAUSED: _("Paused"),
    }[look]


@lru_cache(maxsize=8_000)
def _bar(day: DayFigures, name: str, language: str) -> str:
    title = f"<title>{escape(name)}\n{escape(chr(10).join(_lines(day, language)))}</title>"
    x, shape = day.number * PITCH, look(day)
    if outline := OUTLINES.get(shape):
        bar = f'<path class="{outline[0]}" d="{outline[1].format(x=x)}">{title}</path>'
    else:
        bar = f'<use class="bar-{SHAPES[shape]}" href="#bar-{SHAPES[shape]}" x="{x}">{title}</use>'
    # Today is not over: its end is open.
    return f'<g clip-path="url(#open-end)">{bar}</g>' if day.number == DAYS - 1 else bar


@lru_cache(maxsize=8_000)
def _lines(day: DayFigures, language: str) -> tuple[str, ...]:
    """Say a day in words, without its date."""
    figures = daily.figures_of([day])
    lines = [state_words(look(day))]
    if uptime := percentage(figures.uptime):
        lines[0] += f" · {uptime} %"
    if down_s := day.of(Kind.DOWN):
        lines.append(_("Down %(duration)s") % {"duration": whole(down_s)})
    if partial_s := day.of(Kind.PARTIAL):
        lines.append(_("Degraded %(duration)s") % {"duration": whole(partial_s)})
    if day.of(Kind.MAINTENANCE):
        lines.append(_("Maintenance %(duration)s") % {"duration": whole(day.of(Kind.MAINTENANCE))})
    if uptime and (covered := _coverage_words(figures.coverage)):
        lines.append(covered)
    if day.is_sample:
        lines.append(_("Sample data"))
    return tuple(lines)


def _in_words(days: list[DayFigures], names: tuple[str, ...], language: str) -> Iterator[str]:
    for lines, group in groupby(days, key=lambda day: _lines(day, language)):
        same = list(group)
        span = names[same[0].number]
        if len(same) > 1:
            span += f" – {names[same[-1].number]}"
        yield f"{span}: {', '.join(lines)}"


@lru_cache(maxsize=8)
def _day_names(first: date, language: str) -> tuple[str, ...]:
    names = [day_name(first + timedelta(days=number)) for number in range(DAYS)]
    return (*names[:-1], _("%(day)s, today so far") % {"day": names[-1]})


@lru_cache(maxsize=2 * DAYS)
def _missing(number: int, created_number: int) -> DayFigures:
    status = EMPTY_DAY if number < created_number else Status.UNKNOWN
    return DayFigures(number, status, (0,) * len(daily.KINDS), 100, is_sample=False)


def _coverage_words(hundredths: int | None) -> str:
    """Say how much was measured, where that is not all of it."""
    if hundredths is None or hundredths >= 10_000:
        return ""
    return _("%(coverage)s %% measured") % {"coverage": percentage(hundredths)}
