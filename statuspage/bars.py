"""Draw the days of a service as bars, and describe each in words; both are cached as long as the days stay the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from monitoring.accounting import stored_days
from monitoring.accounting.stored_days import DayFigures, Record
from monitoring.models.rollups import EMPTY_DAY
from monitoring.rules.sla import Kind, percentage
from monitoring.rules.state import Status
from monitoring.words.durations import day_name, whole
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """The days of one service as the page shows them."""

    bars: SafeString  # elements of an SVG of DAYS × PITCH by HEIGHT
    words: SafeString  # the same as list items, for screen readers; equal days in a row are one item
    uptime: str | None  # of all days as one stretch of time, rounded down; None: nothing was measured
    coverage: str  # in words; empty: nothing is missing


def strip(record: Record, created_on: date, first: date) -> Strip:
    """Return the strip of `DAYS` days from the first on, in the active language."""
    return _strip(record, max(0, (created_on - first).days), first, get_language() or "en")


@lru_cache(maxsize=1_200)
def _strip(record: Record, created_number: int, first: date, language: str) -> Strip:
    days = [record.days.get(number) or _missing(number < created_number) for number in range(DAYS)]
    said = [_lines(day, language) for day in days]
    names = _day_names(first, language)
    figures = stored_days.figures_of(record.days.values())
    bars = [_bar(number, look(day), f"{names[number]}\n{said[number]}") for number, day in enumerate(days)]
    return Strip(
        bars=mark_safe("".join(bars)),
        words=mark_safe("".join(_in_words(said, names))),
        uptime=percentage(figures.uptime),
        coverage=_coverage_words(figures.coverage),
    )


def look(day: DayFigures) -> str:
    """Return how a day is drawn: its status, or the reason why nothing was measured in it."""
    if day.status == Status.UNKNOWN and day.of(Kind.MAINTENANCE):
        return MAINTENANCE
    if day.status == Status.UNKNOWN and day.of(Kind.PAUSED) and not day.of(Kind.UNKNOWN):
        return PAUSED
    return day.status


def state_words(look: str) -> str:
    return _state_words(get_language() or "en")[look]


@lru_cache(maxsize=8)
def _state_words(language: str) -> dict[str, str]:
    return {
        Status.OPERATIONAL: _("Operational"),
        Status.PARTIAL: _("Partial outage"),
        Status.DOWN: _("Major outage"),
        Status.UNKNOWN: _("No data"),
        EMPTY_DAY: _("Not yet monitored"),
        MAINTENANCE: _("Maintenance"),
        PAUSED: _("Paused"),
    }


def _bar(number: int, look: str, title: str) -> str:
    x = number * PITCH
    if outline := OUTLINES.get(look):
        bar = f'<path class="{outline[0]}" d="{outline[1].format(x=x)}"><title>{title}</title></path>'
    else:
        bar = f'<use class="bar-{SHAPES[look]}" href="#bar-{SHAPES[look]}" x="{x}"><title>{title}</title></use>'
    # Today is not over, so it has no end.
    return f'<g clip-path="url(#open-end)">{bar}</g>' if number == DAYS - 1 else bar


@lru_cache(maxsize=8_000)
def _lines(day: DayFigures, language: str) -> str:
    """Describe a day in lines of text, safe in HTML, without its date."""
    figures = stored_days.figures_of([day])
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
    return escape("\n".join(lines))


def _in_words(said: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Return the days as list items; equal days in a row are one item."""
    number = 0
    for lines, group in groupby(said):
        last = number + sum(1 for _same in group) - 1
        span = names[number] if last == number else f"{names[number]} – {names[last]}"
        yield f"<li>{span}: {lines.replace(chr(10), ', ')}</li>"
        number = last + 1


@lru_cache(maxsize=8)
def _day_names(first: date, language: str) -> tuple[str, ...]:
    """Return the names of the days, safe in HTML."""
    names = [day_name(first + timedelta(days=number)) for number in range(DAYS)]
    return tuple(map(escape, (*names[:-1], _("%(day)s, today so far") % {"day": names[-1]})))


@lru_cache(maxsize=2)
def _missing(is_before: bool) -> DayFigures:
    """Return an empty day, for dates before the service existed or without a record."""
    status = EMPTY_DAY if is_before else Status.UNKNOWN
    return DayFigures(status, (0,) * len(stored_days.KINDS), 100, is_sample=False)


def _coverage_words(hundredths: int | None) -> str:
    """Return the share that was measured, unless that is everything."""
    if hundredths is None or hundredths >= 10_000:
        return ""
    return _("%(coverage)s %% measured") % {"coverage": percentage(hundredths)}
