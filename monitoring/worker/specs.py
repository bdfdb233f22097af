"""Build the spec of one probe from the row of a service."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings

from monitoring.probes.model import ProbeSpec

PATIENCE_MS = 10_000  # a probe that is later than this, or than its interval, is dropped


class DueService(NamedTuple):
    """The columns of `services` that specs need, and the slot, in the order of `sql/due.sql`."""

    id: str
    version: int
    kind: str
    endpoint_url: str
    timeout: int
    check_interval: int
    check_settings: str  # JSON; secrets are sealed
    regions: Sequence[str]
    slot_ms: int


def spec_of(service: DueService, region: str) -> ProbeSpec:
    return ProbeSpec(
        service_id=service.id,
        region=region,
        version=service.version,
        kind=service.kind,
        url=service.endpoint_url,
        timeout_ms=service.timeout,
        interval_ms=service.check_interval,
        due_at_ms=service.slot_ms,
        expires_at_ms=service.slot_ms + min(service.check_interval, PATIENCE_MS),
        trace_id=trace_id(service.id, region, service.slot_ms),
        settings={} if service.check_settings == "{}" else json.loads(service.check_settings),
    )


def trace_id(service_id: str, region: str, slot_ms: int) -> str:
    """Derive the trace id of a check, 32 hexadecimal digits, so that no row has to store it."""
    key = settings.SECRET_KEY.encode()[:64]
    return hashlib.blake2b(f"{service_id}|{region}|{slot_ms}".encode(), key=key, digest_size=16).hexdigest()
