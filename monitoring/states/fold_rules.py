"""The rules by which the checks of a service are folded at any instant: the hold of each check, and the regions."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta, tzinfo
from fractions import Fraction

from monitoring.models import FormerRegions, Service
from monitoring.rules.calendar_days import day_of
from monitoring.rules.regions import FoldRules, Panel
from monitoring.states.terms import TermsBook

BACK = timedelta(days=3)  # at the longest interval, an answer of a region still counts after so long


class RuleBook:
    """The fold rules of services in [since, now], by id. Four queries."""

    def __init__(self, service_ids: Collection[str], since: datetime, now: datetime, zone: tzinfo) -> None:
        self._services = {service.id: service for service in Service.objects.filter(id__in=service_ids)}
        self._terms = TermsBook(
            self._services.values(), day_of(since - BACK, zone), day_of(max(since, now), zone), now, zone
        )
        self._panels = PanelBook(service_ids)
        self._zone = zone

    def of(self, service_id: str) -> FoldRules:
        """Return the rules of one of the services. Raises LookupError for an unknown service or policy."""
        service = self._services[service_id]
        current = Panel.of(service.regions, service.quorum)
        holds: dict[tuple[int, int], int] = {}

        def hold_s(at: datetime, interval_ms: int) -> int:
            day = day_of(at, self._zone)
            key = day.toordinal(), interval_ms
            if key not in holds:
                holds[key] = self._terms.on(service, day).rules.hold_s(interval_ms)
            return holds[key]

        return FoldRules(hold_s=hold_s, panel_at=lambda at: self._panels.at(service_id, at, current))

    @property
    def service_ids(self) -> Collection[str]:
        """Return the ids of those of the services that exist."""
        return self._services.keys()

    def folds_regions(self, service_id: str) -> bool:
        """Return whether a service is, or was, checked from several regions."""
        return len(self._services[service_id].regions) > 1 or self._panels.has_changed(service_id)

    def gap_factor(self, service_id: str, day: date) -> Fraction:
        """Return for how many intervals a check of a day counts."""
        return self._terms.on(self._services[service_id], day).rules.gap_factor

    def deciding(self, service_id: str) -> int:
        """Return the number of checks with which a run decides the state under all rules in force since."""
        return self._terms.highest_threshold(self._services[service_id])


class PanelBook:
    """The past regions and quorums of services. One query, or none without services."""

    def __init__(self, service_ids: Collection[str]) -> None:
        self._former: defaultdict[str, list[tuple[datetime, Panel]]] = defaultdict(list)
        if service_ids:
            rows = FormerRegions.objects.filter(service_id__in=service_ids).order_by("until")
            for row in rows:
                self._former[row.service_id].append((row.until, Panel.of(row.regions, row.quorum)))

    def has_changed(self, service_id: str) -> bool:
        return service_id in self._former

    def at(self, service_id: str, at: datetime, current: Panel) -> Panel:
        """Return the panel of an instant; `current` is the one in force now."""
        former = self._former.get(service_id)
        if not former:
            return current
        index = bisect_right(former, at, key=lambda entry: entry[0])
        return former[index][1] if index < len(former) else current
