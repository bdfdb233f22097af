"""Remember what registries said of domains, so that each is asked at most once a day.

In memory: a worker has no database. So each worker process asks for itself, and again after a restart.
"""

from dataclasses import dataclass

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The answer of a registry about a domain."""

    asked_at_ms: int  # Unix time
    expires_at_s: int | None = None  # Unix time; None if the domain is not registered, or the registry did not say it
    ending: str = ""  # a status that says that the registry is about to delete the domain
    silence: str = ""  # why the registry could not be asked; then nothing is known about the domain

    def is_fresh(self, now_ms: int) -> bool:
        """Return whether it is too early to ask again."""
        return now_ms - self.asked_at_ms < (HOUR_MS if self.silence else DAY_MS)


class DomainMemory:
    """The newest registration of each domain by the server that was asked."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Registration] = {}

    def fresh(self, domain: str, server: str, now_ms: int) -> Registration | None:
        """Return what is known, unless it is time to ask again."""
        known = self._kept.get((domain, server))
        return known if known is not None and known.is_fresh(now_ms) else None

    def keep(self, domain: str, server: str, registration: Registration) -> None:
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[domain, server] = registration
