"""Write the titles and updates that the monitor proposes, in each language of the page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils import translation
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MOST_CHARACTERS = 120  # of a name in a title


class Text(NamedTuple):
    """A text in the language of the installation, and in the others by language code."""

    text: str
    translations: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The services that an incident names: one, several of a group, or several."""

    number: int
    name: str = ""  # of the only service
    group: str = ""  # of all services; empty: they have none in common

    def __str__(self) -> str:
        """Return the subject of a sentence in the active language."""
        if self.number == 1:
            return self.name[:MOST_CHARACTERS]
        if self.group:
            return _("%(number)s services of %(group)s") % {"number": self.number, "group": self.group}
        return _("%(number)s services") % {"number": self.number}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """The time of an incident: its first failure, and its end."""

    start: datetime
    end: datetime | None = None
    is_broken: bool = False  # there were several outages with good checks between them


def title(subject: Subject) -> Text:
    def write() -> str:
        words = ngettext("%(subject)s is not available", "%(subject)s are not available", subject.number)
        return words % {"subject": subject}

    return _in_each_language(write)


def opening(subject: Subject, spell: Spell) -> Text:
    def write() -> str:
        words = ngettext(
            "%(subject)s has not been available since %(start)s. We are looking into it.",
            "%(subject)s have not been available since %(start)s. We are looking into it.",
            subject.number,
        )
        return words % {"subject": subject, **_times(spell)}

    return _in_each_language(write)


def closing(subject: Subject, spell: Spell) -> Text:
    """Write the last update of an incident that customers know of."""

    def write() -> str:
        words = ngettext("%(subject)s is available again.", "%(subject)s are available again.", subject.number)
        lasted = (
            _("There were several outages between %(start)s and %(end)s.")
            if spell.is_broken
            else _("The outage lasted from %(start)s to %(end)s (%(duration)s).")
        )
        return f"{words} {lasted}" % {"subject": subject, **_times(spell)}

    return _in_each_language(write)


def whole(subject: Subject, spell: Spell) -> Text:
    """Write the only update of an incident that was over before customers knew of it."""

    def write() -> str:
        if spell.is_broken:
            words = _("%(subject)s failed several times between %(start)s and %(end)s. The outages are over.")
        else:
            words = ngettext(
                "%(subject)s was not available from %(start)s to %(end)s (%(duration)s). The outage is over.",
                "%(subject)s were not available from %(start)s to %(end)s (%(duration)s). The outage is over.",
                subject.number,
            )
        return words % {"subject": subject, **_times(spell)}

    return _in_each_language(write)


def reopening(subject: Subject, since: datetime) -> Text:
    def write() -> str:
        words = _("%(subject)s failed again at %(start)s. We are looking into it.")
        return words % {"subject": subject, **_times(Spell(start=since))}

    return _in_each_language(write)


def ended(subject: Subject) -> Text:
    """Write the last update of an incident whose services are no longer checked."""

    def write() -> str:
        words = ngettext(
            "This incident is closed: %(subject)s is no longer checked.",
            "This incident is closed: %(subject)s are no longer checked.",
            subject.number,
        )
        return words % {"subject": subject}

    return _in_each_language(write)


def _in_each_language(write: Callable[[], str]) -> Text:
    texts = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            texts[code] = write()
    return Text(texts.pop(settings.LANGUAGE_CODE), texts)


def _times(spell: Spell) -> dict[str, str]:
    zone = settings.PAGE_TIME_ZONE
    start, end = spell.start.astimezone(zone), (spell.end or spell.start).astimezone(zone)
    # Translators: letters of Django's date format; 9 March 2025, 14:02
    date_and_time = _("j F Y, H:i")
    return {
        "start": f"{format_date(start, date_and_time)} {start:%Z}",
        "end": f"{format_date(end, 'H:i' if end.date() == start.date() else date_and_time)} {end:%Z}",
        "duration": duration(int((end - start).total_seconds())),
    }


def duration(seconds: int) -> str:
    """Return a duration in the active language, in its one or two largest units."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if not minutes:
        return _("%(seconds)d s") % {"seconds": seconds}
    if not hours:
        return _("%(minutes)d min") % {"minutes": minutes}
    if not days:
        return _("%(hours)d h %(minutes)02d min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours % 24}
