"""The objects that all probes of a worker share."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from monitoring.probes.domain_memory import DomainMemory
from monitoring.probes.net.address import AddressPolicy
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.route import Route
from monitoring.probes.net.standstill import Standstill
from monitoring.probes.net.tls_contexts import DEFAULT, UNVERIFIED, TlsContexts, TlsProfile, make_context
from monitoring.probes.secrets import Place
from monitoring.probes.settings import Unseal
from monitoring.probes.settings_cache import SettingsCache


def _as_it_is(sealed: str, place: Place) -> str:
    return sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Dependencies of a probe. Make one for each event loop: a resolver belongs to its loop."""

    resolver: Resolver
    policy: AddressPolicy = field(default_factory=AddressPolicy)
    tls: ssl.SSLContext = field(default_factory=make_context)
    tls_unverified: ssl.SSLContext = field(default_factory=lambda: make_context(UNVERIFIED))
    tls_contexts: TlsContexts = field(default_factory=TlsContexts)  # for services with TLS settings of their own
    user_agent: str = "SLA-Monitor/0.1"
    clock: Callable[[], float] = time.perf_counter  # monotonic seconds; see `timeline.Hop`
    standstill: Standstill = field(default_factory=Standstill)
    settings: SettingsCache = field(default_factory=SettingsCache)
    domains: DomainMemory = field(default_factory=DomainMemory)
    route: Route | None = None  # of one attempt
    unseal: Unseal = _as_it_is  # its exceptions are failures of ours

    async def tls_context(self, profile: TlsProfile) -> ssl.SSLContext:
        """Return the context for a connection."""
        if profile == DEFAULT:
            return self.tls
        return self.tls_unverified if profile == UNVERIFIED else await self.tls_contexts.get(profile)
