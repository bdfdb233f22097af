"""Fill in the variables of update templates, such as {service} and {since}."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from incidents.models import Incident, IncidentStatus, UpdateTemplate
from monitoring.models import Service
from monitoring.probes.suggestions import did_you_mean
from monitoring.words.durations import clock, duration

Services = QuerySet[Service]
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


def fill(
    text: str, incident: Incident, now: datetime, zone: ZoneInfo, *, status: str = "", services: Services | None = None
) -> str:
    """Return a text with the values of an incident, in the active language. One query.

    `status` and `services` take the place of the stored ones: a new status, services that are typed in a form.
    """
    values = _values(incident, now, zone)
    values["status"] = str(IncidentStatus(status or incident.status).label)
    values["service"] = _named(incident.affected_services.all() if services is None else services)
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def fill_in_each_language(
    template: UpdateTemplate, incident: Incident, now: datetime, zone: ZoneInfo, *, services: Services | None = None
) -> tuple[str, dict[str, str]]:
    """Return the message and its translations, each with the values in its own language."""
    given: dict[str, Any] = {"status": template.status, "services": services}
    translations = {}
    for language, text in template.message_translations.items():
        with translation.override(language):
            translations[language] = fill(text, incident, now, zone, **given)
    with translation.override(settings.LANGUAGE_CODE):
        return fill(template.message, incident, now, zone, **given), translations


def _values(incident: Incident, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    until = incident.resolved_at or now
    return {
        "title": incident.title_translations.get(translation.get_language() or "") or incident.title,
        "since": clock(incident.started_at, now, zone),
        "duration": duration(max(0, (until - incident.started_at).total_seconds())),
    }


def _named(services: Services) -> str:
    """Name the affected services as a sentence does: "A", "A and B", "A, B and 3 others"."""
    names = [service.display_name or service.name for service in services.order_by("name")]
    if not names:
        return _("our services")
    if len(names) == 1:
        return names[0]
    if len(names) > MOST_NAMED:
        values = {"names": ", ".join(names[:MOST_NAMED]), "count": len(names) - MOST_NAMED}
        return _("%(names)s and %(count)d others") % values
    return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
