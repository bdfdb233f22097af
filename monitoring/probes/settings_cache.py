"""Cache the parsed settings of services, as parsing takes longer than many checks."""

from collections.abc import Mapping
from typing import Any

from monitoring.probes.model import ProbeSpec
from monitoring.probes.settings import Settings, read

MOST_SERVICES = 20_000


class WrongSettings(ValueError):
    """A spec has settings that its kind cannot parse. A failure of ours: they are validated before they are stored."""


class SettingsCache:
    """The newest settings of each service, at most `most` services at a time."""

    def __init__(self, most: int = MOST_SERVICES) -> None:
        self._most = most
        self._kept: dict[str, tuple[type[Settings], Mapping[str, Any], Settings]] = {}

    def read(self, kind: type[Settings], spec: ProbeSpec) -> Settings:
        """Return the settings of a spec, parsed again only when they change. Raises `WrongSettings`."""
        kept = self._kept.get(spec.service_id)
        if kept is not None and kept[0] is kind and kept[1] == spec.settings:
            return kept[2]
        settings, problems = read(kind, spec.settings)
        if settings is None:
            words = "; ".join(f"{problem.key}: {problem}" for problem in problems)
            raise WrongSettings(f"settings of {spec.service_id} (version {spec.version}): {words}")
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[spec.service_id] = (kind, spec.settings, settings)
        return settings
