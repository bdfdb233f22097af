"""The objects that all probes of a worker share."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from monitoring.probes.net.address import AddressPolicy
from monitoring.probes.net.certificates import client_context, unverified_context
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.route import Route
from monitoring.probes.net.standstill import Standstill
from monitoring.probes.secrets import Place
from monitoring.probes.settings_cache import SettingsCache

Unseal = Callable[[str, Place], str]  # opens the sealed text of a secret at its place


def _as_it_is(sealed: str, place: Place) -> str:
    return sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Dependencies of a probe. Make one for each event loop: a resolver belongs to its loop."""

    resolver: Resolver
    policy: AddressPolicy = field(default_factory=AddressPolicy)
    tls: ssl.SSLContext = field(default_factory=client_context)
    tls_unverified: ssl.SSLContext = field(default_factory=unverified_context)
    user_agent: str = "SLA-Monitor/0.1"
    clock: Callable[[], float] = time.perf_counter  # monotonic seconds; see `timeline.Hop`
    standstill: Standstill = field(default_factory=Standstill)
    settings: SettingsCache = field(default_factory=SettingsCache)
    route: Route | None = None  # of one attempt
    unseal: Unseal = _as_it_is  # its exceptions are failures of ours
