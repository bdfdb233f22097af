"""The phases of a request as a bar and as numbers: DNS, connect, TLS, first byte, and the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

NAMES = (  # in order of time; the class sets the colour
    ("dns", _("DNS")),
    ("connect", _("Connect")),
    ("tls", _("TLS")),
    ("wait", _("First byte")),
    ("rest", _("Rest")),
)
WIDTH = 1000  # of the drawing, which the page stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One phase in the bar."""

    name: str
    label: str
    ms: float
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    parts: Sequence[Part]
    times: Sequence[float | None]  # of DNS, connect, TLS, first byte; None if not reached
    total_ms: float | None


def bar(times: Sequence[float | None], total_ms: float | None, longest_ms: float) -> Bar:
    """Return the bar of one request's phases, in which `longest_ms` is the full width."""
    known = [max(0.0, time or 0.0) for time in times]
    rest = max(0.0, (total_ms or 0.0) - sum(known))  # reading the body, and time between requests
    scale = WIDTH / longest_ms if longest_ms > 0 else 0
    return Bar(parts=list(_parts([*known, rest], scale)), times=times, total_ms=total_ms)


def _parts(times: Sequence[float], scale: float) -> Iterable[Part]:
    x = 0.0
    for (name, label), ms in zip(NAMES, times, strict=True):
        width = round(ms * scale, 2)
        if width:
            yield Part(name=name, label=str(label), ms=ms, x=round(x, 2), width=width)
        x += width
