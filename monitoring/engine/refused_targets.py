"""Find services that are not checked for a reason of our own, as reported by the workers.

Either our rules refuse their addresses, or our DNS servers don't work.
"""

from datetime import datetime

from django.utils.translation import gettext as _

from monitoring.engine.workers import LATE_STAMP_AFTER, UNPROBED_FACT, UNRESOLVED_FACT
from monitoring.models import EngineWorker, Service
from observability.diagnostics import Finding, Table, good, warning

MOST_SERVICES_NAMED = 5


def refused_targets(now: datetime) -> dict[str, str]:
    """Return the reasons by id of the monitored services that a worker may not probe. Two queries at most."""
    return _reported(now, UNPROBED_FACT)[0]


def unresolved_targets(now: datetime) -> dict[str, str]:
    """Return the reasons by id of the monitored services whose names our DNS servers fail to resolve. As above."""
    return _reported(now, UNRESOLVED_FACT)[0]


def reasons_of(service_id: str, now: datetime) -> dict[str, str | None]:
    """Return why a service is not checked, for the template `_refused.html`. Two queries at most."""
    refused, unresolved = _reported(now, UNPROBED_FACT, UNRESOLVED_FACT)
    return {"refused": refused.get(service_id), "unresolved": unresolved.get(service_id)}


def _reported(now: datetime, *facts: str) -> list[dict[str, str]]:
    alive = EngineWorker.objects.filter(seen_at__gte=now - LATE_STAMP_AFTER, facts__has_any_keys=facts)
    said = [worker.facts for worker in alive if worker.facts]
    why = [{id: words for each in said for id, words in each.get(fact, {}).items()} for fact in facts]
    if not any(why):
        return why
    ids = {id for each in why for id in each}
    monitored = list(Service.objects.monitored().filter(id__in=ids).order_by("id").values_list("id", flat=True))
    return [{id: each[id] for id in monitored if id in each} for each in why]


def judge(refused: dict[str, str]) -> Finding:
    """Return a finding with the services that are not checked, and the reason that each worker reports."""
    if not refused:
        return good(_("Our settings refuse no service address."))
    says = _("Not checked because our settings refuse the address: %(names)s.") % {"names": _named(refused)}
    return warning(
        f"{says} {next(iter(refused.values()))}",
        _("Change the address, or the setting in the message."),
        _table(refused),
    )


def judge_names(unresolved: dict[str, str]) -> Finding:
    """Return a finding with the services whose names our own DNS servers fail to resolve."""
    if not unresolved:
        return good(_("Our DNS servers answer."))
    says = _("Not checked because our own DNS servers don't work: %(names)s.") % {"names": _named(unresolved)}
    remedy = _(
        "Repair the DNS server, or enter another one in /etc/resolv.conf (read again within seconds) or in"
        " PROBE_DNS_SERVERS on the machine of the worker."
    )
    return warning(f"{says} {next(iter(unresolved.values()))}", remedy, _table(unresolved))


def _named(why: dict[str, str]) -> str:
    return ", ".join([*list(why)[:MOST_SERVICES_NAMED], *(["…"] if len(why) > MOST_SERVICES_NAMED else [])])


def _table(why: dict[str, str]) -> Table:
    return Table(columns=[_("Service"), _("Why")], rows=[[id, words] for id, words in why.items()], numbers_from=2)
