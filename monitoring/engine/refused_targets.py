"""Find services that are not checked because our own rules refuse their addresses, as reported by the workers."""

from datetime import datetime

from django.utils.translation import gettext as _

from monitoring.engine.workers import LATE_STAMP_AFTER, UNPROBED_FACT
from monitoring.models import EngineWorker, Service
from observability.diagnostics import Finding, Table, good, warning

MOST_SERVICES_NAMED = 5


def refused_targets(now: datetime) -> dict[str, str]:
    """Return the reasons by id of the monitored services that a worker may not probe. Two queries at most."""
    alive = EngineWorker.objects.filter(seen_at__gte=now - LATE_STAMP_AFTER, facts__has_key=UNPROBED_FACT)
    why = {id: words for worker in alive if worker.facts for id, words in worker.facts[UNPROBED_FACT].items()}
    if not why:
        return {}
    monitored = Service.objects.monitored().filter(id__in=why).order_by("id").values_list("id", flat=True)
    return {id: why[id] for id in monitored}


def judge(refused: dict[str, str]) -> Finding:
    """Return a finding with the services that are not checked, and the reason that each worker reports."""
    if not refused:
        return good(_("Our settings refuse no service address."))
    named = ", ".join([*list(refused)[:MOST_SERVICES_NAMED], *(["…"] if len(refused) > MOST_SERVICES_NAMED else [])])
    says = _("Not checked because our settings refuse the address: %(names)s.") % {"names": named}
    table = Table(columns=[_("Service"), _("Why")], rows=[[id, why] for id, why in refused.items()], numbers_from=2)
    return warning(
        f"{says} {next(iter(refused.values()))}", _("Change the address, or the setting in the message."), table
    )
