"""The columns of the list of incidents, some of which the page of an incident repeats."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.dashboard import status_sign
from incidents.models import Incident
from monitoring.admin_site.signs import sign

MOST_SERVICES_NAMED = 3  # services that a row of the list names


class IncidentColumns:
    """Needs incidents with their affected services in `touched`, and in `number` how many there are."""

    @admin.display(description=_("Status"), ordering="status")
    def status_now(self, incident: Incident) -> SafeString | str:
        if incident.pk is None:
            return "–"
        if incident.dismissed_at is not None:
            return sign("archived", gettext("Dismissed"))
        if incident.published_at is None:
            return sign("nodata", gettext("Draft"), gettext("Only people with an account see it."))
        return status_sign(incident.status)

    @admin.display(description=_("Services"))
    def services(self, incident: Incident) -> str:
        names = [str(affected.service) for affected in incident.touched]  # type: ignore[attr-defined]
        number: int = incident.number  # type: ignore[attr-defined]
        more = [f"+{number - MOST_SERVICES_NAMED}"] if number > MOST_SERVICES_NAMED else []
        return ", ".join([*names[:MOST_SERVICES_NAMED], *more]) or "–"

    @admin.display(description=_("Services"))
    def services_by_impact(self, incident: Incident) -> SafeString | str:
        named = ((str(each.service), each.get_impact_display()) for each in incident.touched)  # type: ignore[attr-defined]
        return format_html_join(mark_safe("<br>"), '{} <span class="admin-muted">· {}</span>', named) or "–"

    @admin.display(description=_("Duration"))
    def duration(self, incident: Incident) -> SafeString | str:
        if incident.duration_minutes is None:
            return _("open")  # type: ignore[return-value]  # a lazy text
        hours, minutes = divmod(incident.duration_minutes, 60)
        words = gettext("%(hours)d h %(minutes)02d min") if hours else gettext("%(minutes)d min")
        words %= {"hours": hours, "minutes": minutes}
        return format_html('<span class="admin-number">{}</span>', words)

    @admin.display(description=_("Filed by"))
    def filed_by(self, incident: Incident) -> str:
        return str(incident.created_by or "–")

    @admin.display(description=_("Resolved by"))
    def closed_by(self, incident: Incident) -> str:
        return str(incident.resolved_by or "–")
