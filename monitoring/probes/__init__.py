"""Probes: one attempt at a target, of whatever kind. Pure: no Django, no settings, no wall clock.

A kind is a module here with a `KIND`, and one line in `KINDS`.
"""

from collections.abc import Coroutine, Mapping
from typing import Any

from monitoring.probes.kind import Kind
from monitoring.probes.kinds import dns_record, domain, heartbeat, http, reach, tcp, tls_certificate
from monitoring.probes.model import ProbeResult, ProbeSpec
from monitoring.probes.tools import Tools

KINDS: Mapping[str, Kind] = {
    "http": http.KIND,
    "tcp": tcp.KIND,
    "dns": dns_record.KIND,
    "tls": tls_certificate.KIND,
    "domain": domain.KIND,
    "reach": reach.KIND,
    "heartbeat": heartbeat.KIND,
}


def probe(spec: ProbeSpec, tools: Tools, *, lateness_ms: float = 0.0) -> Coroutine[Any, Any, ProbeResult]:
    """Make one attempt of the kind that the spec names.

    Raises KeyError for a kind unknown to this worker, ValueError for a passive one and for settings it cannot read.
    """
    kind = KINDS[spec.kind]
    if kind.probe is None:
        raise ValueError(f"a check of kind {spec.kind} is not probed")
    return kind.probe(spec, tools.settings.read(kind.settings, spec), tools, lateness_ms)
