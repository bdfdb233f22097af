"""The signs of states in the admin: a shape and a word, so that colour is not needed."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from monitoring.models import Service
from monitoring.probes.model import Verdict
from monitoring.states.live import is_silent, status_at
from monitoring.words.statuses import NOW_LABELS, STATUS_TONES, VERDICT_TONES

SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "ok": '<circle cx="7" cy="7" r="6" fill="currentColor"/>',
        "partial": '<path d="M7 1 13.5 13H.5Z" fill="currentColor"/>',
        "major": '<path d="M1 1h12v12H1Z" fill="currentColor"/>'
        '<path d="m4 4 6 6m0-6-6 6" stroke="var(--ground)" stroke-width="2"/>',
        "nodata": '<circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" stroke-width="2"/>',
        "paused": '<path d="M3 2h3v10H3Zm5 0h3v10H8Z" fill="currentColor"/>',
        "archived": '<path d="M2 6h10v2H2Z" fill="currentColor"/>',
        "info": '<path d="M7 .5 13.5 7 7 13.5.5 7Z" fill="currentColor"/>',
    }
)


def sign(shape: str, word: str, title: str = "") -> SafeString:
    """Return a coloured shape with its word."""
    tone = "nodata" if shape in ("paused", "archived") else shape
    drawing = mark_safe(SHAPES[shape])
    return format_html(
        '<span class="admin-state tone-{}" title="{}"><svg viewBox="0 0 14 14" aria-hidden="true">{}</svg>{}</span>',
        tone,
        title,
        drawing,
        word,
    )


def service_sign(service: Service, now: datetime) -> SafeString:
    """Return the sign of a service: archived or paused, else unknown, else its status."""
    if service.archived_at is not None:
        return sign("archived", _("Archived"))
    if not service.is_active:
        return sign("paused", _("Paused"))
    state = getattr(service, "state", None)
    if state is None or state.run_last_at is None:
        return sign("nodata", _("No data yet"))
    status = status_at(state, now)
    if is_silent(state, now):
        return sign(STATUS_TONES[status], str(NOW_LABELS[status]))
    return sign(STATUS_TONES[status], str(NOW_LABELS[status]), state.last_error or "")


def verdict_sign(verdict: str) -> SafeString:
    words = {Verdict.OK: _("ok"), Verdict.SLOW: _("slow"), Verdict.BAD: _("bad")}
    return sign(VERDICT_TONES[Verdict(verdict)], words[Verdict(verdict)])
