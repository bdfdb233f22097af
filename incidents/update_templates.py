"""Fill in the variables of update templates, such as {service} and {since}."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation import gettext as _

from incidents.models import Incident, IncidentStatus, UpdateTemplate
from monitoring.probes.suggestions import did_you_mean
from monitoring.words.durations import clock, duration

VARIABLES = ("service", "title", "status", "since", "duration")
MOST_NAMED = 5  # services that a text names; the others are counted
_VARIABLE = re.compile(r"\{([^{}\n]*)\}")


def validate(text: str) -> None:
    """Refuse variables that do not exist. Raises ValidationError, which names the value and the known ones."""
    for name in _VARIABLE.findall(text):
        if name not in VARIABLES:
            message = _("{%(name)s} is not a variable. %(hint)sThe variables are %(known)s.")
            known = ", ".join(f"{{{each}}}" for each in VARIABLES)
            params = {"name": name, "hint": did_you_mean(name, VARIABLES), "known": known}
            raise ValidationError(message, "unknown_variable", params)


def fill(text: str, incident: Incident, now: datetime, zone: ZoneInfo) -> str:
    """Return a text with the values of an incident, in the active language. One query."""
    values = _values(incident, now, zone)
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def fill_in_each_language(
    template: UpdateTemplate, incident: Incident, now: datetime, zone: ZoneInfo
) -> tuple[str, dict[str, str]]:
    """Return the message and its translations, each with the values in its own language."""
    translations = {}
    for language, text in template.message_translations.items():
        with translation.override(language):
            translations[language] = fill(text, incident, now, zone)
    with translation.override(settings.LANGUAGE_CODE):
        return fill(template.message, incident, now, zone), translations


def _values(incident: Incident, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    until = incident.resolved_at or now
    return {
        "service": _named(incident),
        "title": incident.title_translations.get(translation.get_language() or "", incident.title),
        "status": str(IncidentStatus(incident.status).label),
        "since": clock(incident.started_at, now, zone),
        "duration": duration((until - incident.started_at).total_seconds()),
    }


def _named(incident: Incident) -> str:
    """Name the affected services as a sentence does: "A", "A and B", "A, B and 3 others"."""
    names = [service.display_name or service.name for service in incident.affected_services.order_by("name")]
    if not names:
        return _("our services")
    if len(names) == 1:
        return names[0]
    if len(names) > MOST_NAMED:
        values = {"names": ", ".join(names[:MOST_NAMED]), "count": len(names) - MOST_NAMED}
        return _("%(names)s and %(count)d others") % values
    return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
