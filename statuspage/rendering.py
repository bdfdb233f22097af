"""Render the read model into responses, one per language, so that later steps only choose and send bytes."""

import gzip
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby

from django.conf import settings
from django.template.loader import get_template, render_to_string
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from incidents import markdown
from incidents.models import IncidentStatus
from monitoring.rules.state import Status
from monitoring.words.durations import age, clock, exact, response_time
from monitoring.words.statuses import STATUS_TONES, now_words
from statuspage.banner import banner, stale_banner
from statuspage.bars import Strip, strip
from statuspage.headers import standing_headers
from statuspage.readmodel import OpenIncident, PageModel, ServiceLine

# A change must reach every visitor within two seconds: one in a cache, a part of one until the process notices. A cache
# in front can also serve the last good page during an outage of ours; the page states its own age.
CACHE_CONTROL = "public, max-age=1, stale-if-error=3600"

Headers = tuple[tuple[str, str], ...]


WORSE = (Status.OPERATIONAL, Status.UNKNOWN, Status.PARTIAL, Status.DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The page in one language, in the forms that are sent."""

    tag: str  # the quoted part of the ETag
    html: bytes
    html_headers: Headers
    gzipped: bytes
    gzipped_headers: Headers
    unchanged_headers: Headers  # of 304


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant in the forms that the page shows."""

    iso: str
    exact: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A service in the form that the page shows."""

    id: str
    name: str
    tone: str
    state: str
    response: str
    note: str  # shown instead of the age of the last check
    checked: Moment | None
    days: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """The services of a group, and the worst of their states; ungrouped services have a group without a name."""

    name: str
    tone: str
    state: str
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An open incident in the form that the page shows."""

    title: str
    status: str
    started: Moment
    message: SafeString
    updated: Moment | None
    is_edited: bool


def render(model: PageModel, language: str, stale_at: datetime | None = None) -> Answer:
    """Render the page in a language; with `stale_at` it carries a notice that it is as old as that."""
    with translation.override(language):
        html = render_to_string("statuspage/page.html", _context(model, stale_at))
    return _answer(html.strip().encode(), language)


def _context(model: PageModel, stale_at: datetime | None) -> dict[str, object]:
    zone = settings.PAGE_TIME_ZONE
    return {
        "banner": stale_banner(model, stale_at) if stale_at else banner(model, zone),
        "message": model.message,
        "sample_until": model.sample_until and clock(model.sample_until, model.read_at, zone),
        # A script turns it into an age that ticks; without a script, a time stays true and an age would not.
        "read": Moment(
            iso=model.read_at.isoformat(timespec="seconds"),
            exact=exact(model.read_at, zone),
            text=f"{model.read_at.astimezone(zone):%H:%M:%S %Z}",
        ),
        "groups": _groups(model),
        "program": settings.PROGRAM_NAME,
        "incidents": [_notice(incident, model.read_at) for incident in model.incidents],
        "zone": zone.key,
    }


def _groups(model: PageModel) -> list[RowGroup]:
    """Group the services, each group with the worst state of its services; ungrouped services come first."""
    groups = []
    for name, lines in groupby(model.services, key=lambda line: line.group):
        members = list(lines)
        worst = max(members, key=lambda line: WORSE.index(line.status))
        rows = [_row(line, model) for line in members]
        groups.append(RowGroup(name=name, tone=STATUS_TONES[worst.status], state=_state(worst), rows=rows))
    return groups


def _state(line: ServiceLine) -> str:
    return now_words(line.status, is_measured=line.checked_at is not None or line.is_silent)


def _row(line: ServiceLine, model: PageModel) -> Row:
    now = model.read_at
    note = ""
    if line.checked_at is None:
        note = _("not being measured") if line.is_silent else _("waiting for the first check")
    elif line.is_silent:
        note = _("not measured since %(time)s") % {"time": clock(line.checked_at, now, settings.PAGE_TIME_ZONE)}
    return Row(
        id=line.id,
        name=line.name,
        tone=STATUS_TONES[line.status],
        state=_state(line),
        response="" if note or line.response_ms is None else response_time(line.response_ms),
        note=note,
        checked=_moment(line.checked_at, now) if line.checked_at else None,
        days=_days(line.id, line.name, strip(line.days, line.created_on, model.first_day), get_language() or "en"),
    )


@lru_cache(maxsize=2_000)
def _days(service_id: str, name: str, days: Strip, language: str) -> SafeString:
    """Render the days of a service, which change much less often than the age of its last check."""
    words = _words_of_days(language)
    shown = {"id": service_id, "name": name, "strip": days, **words}
    return mark_safe(get_template("statuspage/_days.html").render(shown))


@lru_cache(maxsize=8)
def _words_of_days(language: str) -> dict[str, str]:
    return {
        "ninety_days_ago": _("90 days ago"),
        "thirty_days_ago": _("30 days ago"),
        "no_data": _("no data"),
        "in_ninety_days": _("in 90 days"),
        "today": _("today"),
        "last_days": _("the last 90 days"),
    }


def _notice(incident: OpenIncident, now: datetime) -> Notice:
    """Return an incident in the active language; what is not translated is in the language of the installation."""
    language = get_language() or ""
    return Notice(
        title=incident.titles.get(language) or incident.title,
        status=str(IncidentStatus(incident.status).label),
        started=_moment(incident.started_at, now),
        message=markdown.html(incident.messages.get(language) or incident.message),
        updated=_moment(incident.updated_at, now) if incident.updated_at else None,
        is_edited=incident.is_edited,
    )


def _moment(at: datetime, now: datetime) -> Moment:
    zone = settings.PAGE_TIME_ZONE
    return Moment(iso=at.isoformat(timespec="seconds"), exact=exact(at, zone), text=age(at, now, zone))


def _answer(html: bytes, language: str) -> Answer:
    tag = f'"{blake2b(html, digest_size=9).hexdigest()}"'
    common = (
        ("ETag", f"W/{tag}"),  # weak: the same for both encodings
        ("Cache-Control", CACHE_CONTROL),
        ("Vary", "Accept-Encoding, Accept-Language, Cookie"),
        ("Content-Language", language),
        *standing_headers(),
    )
    typed = (*common, ("Content-Type", "text/html; charset=utf-8"))
    # The page contains no secrets and reflects no input, so compression can't leak anything.
    gzipped = gzip.compress(html, compresslevel=6, mtime=0)
    return Answer(
        tag=tag,
        html=html,
        html_headers=(*typed, ("Content-Length", str(len(html)))),
        gzipped=gzipped,
        gzipped_headers=(*typed, ("Content-Length", str(len(gzipped))), ("Content-Encoding", "gzip")),
        unchanged_headers=common,
    )
