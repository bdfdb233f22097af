"""The label of a status, a verdict or a kind of time, and the tone that selects its colour and shape.

A tone is part of names in CSS and of icons: `ok`, `partial`, `major`, `nodata`, and `info` for intended conditions.
"""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.probes.model import Verdict
from monitoring.rules.sla import Kind
from monitoring.rules.state import Status

STATUS_LABELS: Mapping[Status, str | Promise] = MappingProxyType(
    {
        Status.OPERATIONAL: _("Operational"),
        Status.PARTIAL: _("Partial outage"),
        Status.DOWN: _("Major outage"),
        Status.UNKNOWN: _("No data"),
    }
)
NOW_LABELS: Mapping[Status, str | Promise] = MappingProxyType(
    {  # of a service now; those above are also used for days
        Status.OPERATIONAL: _("Operational"),
        Status.PARTIAL: _("Degraded"),
        Status.DOWN: _("Down"),
        Status.UNKNOWN: _("No data"),
    }
)
STATUS_TONES: Mapping[Status, str] = MappingProxyType(
    {Status.OPERATIONAL: "ok", Status.PARTIAL: "partial", Status.DOWN: "major", Status.UNKNOWN: "nodata"}
)
VERDICT_TONES: Mapping[Verdict, str] = MappingProxyType(
    {Verdict.OK: "ok", Verdict.SLOW: "partial", Verdict.BAD: "major"}
)
KIND_TONES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.OPERATIONAL: STATUS_TONES[Status.OPERATIONAL],
        Kind.PARTIAL: STATUS_TONES[Status.PARTIAL],
        Kind.DOWN: STATUS_TONES[Status.DOWN],
        Kind.UNKNOWN: STATUS_TONES[Status.UNKNOWN],
        Kind.MAINTENANCE: "info",
        Kind.PAUSED: "nodata",
        Kind.EMPTY: "nodata",
    }
)


def now_words(status: Status, *, is_measured: bool) -> str:
    """Return the label of a service's current status; `is_measured`: there was a check, though it may be old."""
    return str(NOW_LABELS[status]) if is_measured else gettext("No data yet")
