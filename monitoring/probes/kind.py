"""A kind of check: its settings, its target, and its probe."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from monitoring.probes.model import ProbeResult, ProbeSpec
from monitoring.probes.settings import Problem, Settings, read
from monitoring.probes.tools import Tools

# (spec, settings, tools, lateness_ms)
Probe = Callable[[ProbeSpec, Any, Tools, float], Coroutine[Any, Any, ProbeResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of check. Its target is always the `endpoint_url` of the service."""

    name: str  # as in `check: {kind: …}`
    label: str  # for people; a msgid
    settings: type[Settings]
    schemes: tuple[str, ...] = ()  # that `endpoint_url` may have; none: the service has no `endpoint_url`
    check_url: Callable[[str], object] | None = None  # raises `httpx.InvalidURL` or `httpx.UnsupportedProtocol`
    probe: Probe | None = None  # None: passive, the target reports to us

    @property
    def is_active(self) -> bool:
        """Return whether targets are probed, rather than report to us."""
        return self.probe is not None

    @property
    def needs_url(self) -> bool:
        return bool(self.schemes)

    def read(self, values: Mapping[str, Any]) -> tuple[Settings | None, list[Problem]]:
        """Return settings as written (without `kind`) as a value, or None and all problems."""
        return read(self.settings, values)

    def url_problem(self, url: str) -> Problem | None:
        """Return why a target of this kind cannot have that URL, or None."""
        if not self.needs_url:
            return Problem("endpoint_url", None, "a check of this kind has no address. Remove it.") if url else None
        try:
            if self.check_url is not None:
                self.check_url(url)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            # Without the value, which may contain credentials.
            return Problem("endpoint_url", None, "%(what)s.", {"what": str(error)})
        return None
