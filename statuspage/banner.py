"""Summarise the state of all services in one sentence, in the visitor's language."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from incidents.models import OverallStatus
from incidents.system_status import overall
from monitoring.rules.state import Status
from monitoring.words.durations import clock, duration
from statuspage.readmodel import PageModel, ServiceLine

NAMED_AT_MOST = 3  # services that a sentence still lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    tone: str  # ok, partial, major, nodata: the colour of the band and the shape of its icon
    sentence: str
    aside: str = ""  # changes as time passes, so screen readers don't announce it each time


def banner(model: PageModel, zone: ZoneInfo) -> Banner:
    """Choose the sentence: what is down, else what is slow, else what is unknown, else that all services work."""
    services = model.services
    if not services:
        return Banner(tone="nodata", sentence=_("Nothing is monitored yet"))
    if down := _with(services, Status.DOWN):
        is_outage = overall((line.status, line.is_critical) for line in services) is OverallStatus.OUTAGE
        return _down(down, len(services), "major" if is_outage else "partial", model.read_at, zone)
    if slow := _with(services, Status.PARTIAL):
        only = _("%(name)s is degraded") % {"name": slow[0].name}
        return Banner(tone="partial", sentence=_("Some services are degraded") if len(slow) > 1 else only)
    if unknown := _with(services, Status.UNKNOWN):
        return _unknown(unknown, len(services), model.read_at, zone)
    if model.incidents:
        return Banner(tone="partial", sentence=_("An incident is open; all services respond"))
    return Banner(tone="ok", sentence=_("All systems operational"))


def stale_banner(model: PageModel, now: datetime) -> Banner:
    """Say that the page is old, and why."""
    old = _("These figures are %(age)s old.") % {"age": duration((now - model.read_at).total_seconds())}
    return Banner(tone="nodata", sentence=_("We cannot reach our database"), aside=old)


def _down(down: Sequence[ServiceLine], total: int, tone: str, now: datetime, zone: ZoneInfo) -> Banner:
    if len(down) > NAMED_AT_MOST:
        counts = {"count": len(down), "total": total}
        return Banner(tone=tone, sentence=_("%(count)d of %(total)d services are down") % counts)
    if len(down) > 1:
        return Banner(tone=tone, sentence=_("%(names)s are down") % {"names": _listed([line.name for line in down])})
    name, since = down[0].name, down[0].down_since
    if since is None:
        return Banner(tone=tone, sentence=_("%(name)s is down") % {"name": name})
    return Banner(
        tone=tone,
        sentence=_("%(name)s has been down since %(time)s") % {"name": name, "time": clock(since, now, zone)},
        aside=f"({duration((now - since).total_seconds())})",
    )


def _unknown(unknown: Sequence[ServiceLine], total: int, now: datetime, zone: ZoneInfo) -> Banner:
    silent = [line.checked_at for line in unknown if line.is_silent and line.checked_at]
    if len(unknown) == total and not silent:
        return Banner(tone="nodata", sentence=_("Waiting for the first measurements"))
    if len(unknown) == total:
        last = _("(the last one at %(time)s)") % {"time": clock(max(silent), now, zone)}
        return Banner(tone="nodata", sentence=_("We are not receiving measurements"), aside=last)
    if len(unknown) > 1:
        many = _("%(count)d of %(total)d services are not being measured") % {"count": len(unknown), "total": total}
        return Banner(tone="nodata", sentence=many)
    if silent:
        return Banner(
            tone="nodata", sentence=_("We are not receiving measurements of %(name)s") % {"name": unknown[0].name}
        )
    return Banner(tone="nodata", sentence=_("No data yet for %(name)s") % {"name": unknown[0].name})


def _with(services: Sequence[ServiceLine], status: Status) -> list[ServiceLine]:
    return [line for line in services if line.status is status]


def _listed(names: Sequence[str]) -> str:
    """Join names as a sentence does: "A and B", "A, B and C"."""
    return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
