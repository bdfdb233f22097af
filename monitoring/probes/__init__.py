"""Probes: one attempt at a target, of whatever kind. Pure: no Django, no settings, no wall clock."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from monitoring.probes import http
from monitoring.probes.model import ProbeResult, ProbeSpec
from monitoring.probes.tools import Tools

# (spec, tools, *, lateness_ms)
Probe = Callable[..., Coroutine[Any, Any, ProbeResult]]

PROBES: Mapping[str, Probe] = {
    "http": http.probe,
}


def probe(spec: ProbeSpec, tools: Tools, *, lateness_ms: float = 0.0) -> Coroutine[Any, Any, ProbeResult]:
    """Make one attempt of the kind that the spec names. Raises KeyError for a kind unknown to this worker."""
    return PROBES[spec.kind](spec, tools, lateness_ms=lateness_ms)
