"""Find the terms of a day of a service: a version of its policy, with the service's own thresholds.

Versions are never edited, but the thresholds, the kind of check or the policy of a service may change at any time. So a
day keeps the rules of its stored row, those in force when it began. Published figures can be computed again, and a
change made today takes effect tomorrow, as a new version does.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from monitoring.config.thresholds import policy_for
from monitoring.models import Service, UptimeRecord
from monitoring.models.policies import AccountingPolicy, PolicyBook
from monitoring.rules.calendar_days import bounds, day_of, days_between
from monitoring.rules.state import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    version: AccountingPolicy
    rules: Policy  # of the version, with the thresholds of the service at that time

    @property
    def has_own_thresholds(self) -> bool:
        usual = self.version.rules
        held = (self.rules.failure_threshold, self.rules.recovery_threshold)
        return held != (usual.failure_threshold, usual.recovery_threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Consecutive days under the same terms, or the part of them within a window."""

    start: datetime
    end: datetime
    terms: Terms


@dataclass(frozen=True, slots=True)
class _Kept:
    """The rules in the stored row of a day."""

    policy_id: int | None
    failure_threshold: int | None
    recovery_threshold: int | None
    is_sample: bool


class TermsBook:
    """The terms of services on some days. Two queries."""

    def __init__(self, services: Collection[Service], first: date, last: date, now: datetime, zone: tzinfo) -> None:
        self._versions, self._zone = PolicyBook(), zone
        self._today = day_of(now, zone)
        rows = UptimeRecord.objects.filter(service__in=services, date__range=(first, last)).values_list(
            "service_id", "date", "policy_id", "failure_threshold", "recovery_threshold", "metadata__sample"
        )
        self._kept = {
            (id, day): _Kept(policy_id, failures, recoveries, is_sample is True)
            for id, day, policy_id, failures, recoveries, is_sample in rows
        }
        self._highest: dict[str, int] = {}
        for (id, _day), kept in self._kept.items():
            most = max(kept.failure_threshold or 0, kept.recovery_threshold or 0)
            self._highest[id] = max(most, self._highest.get(id, 0))

    def on(self, service: Service, day: date) -> Terms:
        """Return the terms of a day. Raises LookupError if the policy of the service is unknown."""
        kept = self._kept.get((service.id, day)) if day <= self._today else None
        name = self._versions.name_of(kept.policy_id) if kept and kept.policy_id else service.policy_name
        version = self._versions.in_force(name, day)
        # A version created in the last minute of its first day is newer than the last write of that day's row.
        if kept is None or kept.policy_id != version.pk or not (kept.failure_threshold and kept.recovery_threshold):
            return Terms(version=version, rules=policy_of(service, version))
        rules = replace(
            version.rules, failure_threshold=kept.failure_threshold, recovery_threshold=kept.recovery_threshold
        )
        return Terms(version=version, rules=rules)

    def is_changed_today(self, service: Service) -> bool:
        """Return whether the rules of a service were changed today, which takes effect tomorrow. No query."""
        if (service.id, self._today) not in self._kept:
            return False
        version = self._versions.in_force(service.policy_name, self._today)
        return self.on(service, self._today).rules != policy_of(service, version)

    def stretches(self, service: Service, start: datetime, end: datetime) -> Iterator[Stretch]:
        """Split [start, end) where the terms of a service change. No query."""
        held: Stretch | None = None
        for day in days_between(day_of(start, self._zone), day_of(end - timedelta(microseconds=1), self._zone)):
            terms = self.on(service, day)
            day_start, day_end = bounds(day, self._zone)
            if held is not None and held.terms == terms:
                held = replace(held, end=min(end, day_end))
                continue
            if held is not None:
                yield held
            held = Stretch(start=max(start, day_start), end=min(end, day_end), terms=terms)
        if held is not None:
            yield held

    def highest_threshold(self, service: Service) -> int:
        """Return the highest threshold, in checks, of all terms of these days. No query."""
        own = (service.failure_threshold or 0, service.recovery_threshold or 0)
        return max(self._versions.highest_threshold, self._highest.get(service.id, 0), *own)

    def sample_days(self, service: Service) -> int:
        """Return how many stored days of a service are sample data."""
        return sum(kept.is_sample for (id, _day), kept in self._kept.items() if id == service.id)


def policy_of(service: Service, version: AccountingPolicy) -> Policy:
    """Return the rules of a policy version, with the service's own thresholds where it has some."""
    return policy_for(service.kind, service.failure_threshold, service.recovery_threshold, version.rules)
