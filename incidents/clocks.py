"""The clock of an incident in words: when its first public update is due, or how late it came."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from incidents.models import Incident
from incidents.targets import Response, response_of
from monitoring.words.durations import duration, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    says: str
    is_missed: bool
    due: str  # the instant, in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the response to an incident."""

    name: str
    after: str  # from the start of the incident; empty: not done yet
    at: str
    who: str = ""


def clock(response: Response, resolved_at: datetime | None, now: datetime) -> Clock:
    """Say how an incident stands against its response target."""
    left = duration(abs(response.left(now).total_seconds()))
    told = response.first_update_at is not None
    if told:
        words = _("First update %(time)s too late") if response.is_missed else _("First update in time")
    elif resolved_at is not None:
        words = _("Resolved without an update to customers")
    else:
        words = _("First update overdue by %(time)s") if response.is_missed else _("First update due in %(time)s")
    due = exact(response.due_at, settings.PAGE_TIME_ZONE)
    return Clock(says=words % {"time": left} if "%(time)s" in words else words, is_missed=response.is_missed, due=due)


def of_incident(incident: Incident, now: datetime) -> dict[str, object]:
    """Return the clock of an incident and the steps of the response, for its page."""
    response = response_of(incident.priority, incident.started_at, incident.first_update_at, incident.resolved_at, now)
    return {
        "clock": None if incident.dismissed_at else clock(response, incident.resolved_at, now),
        "steps": [
            _step(incident, _("Detected"), incident.detected_at),
            _step(incident, _("Acknowledged"), incident.acknowledged_at, str(incident.acknowledged_by or "")),
            _step(incident, _("First update"), incident.first_update_at),
            _step(incident, _("Resolved"), incident.resolved_at, str(incident.resolved_by or "")),
        ],
    }


def _step(incident: Incident, name: str, at: datetime | None, who: str = "") -> Step:
    if at is None:
        return Step(name=name, after="", at="")
    after = duration((at - incident.started_at).total_seconds())
    return Step(name=name, after=after, at=exact(at, settings.PAGE_TIME_ZONE), who=who)
