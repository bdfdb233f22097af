"""Decide which outages are told in one incident. Pure.

An outage joins an incident, in this order:

1. of a service that it is part of, while that service is down (its parent, the parent of that, and so on);
2. a storm: ten or more services that failed within two minutes, whatever connects them;
3. of services with the same parent or the same group that failed within two minutes of it, or of its children.

Otherwise it gets an incident of its own.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

TOGETHER = timedelta(minutes=2)
STORM = 10  # services


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An outage of a service, with what connects the service to others."""

    service_id: str
    failed_at: datetime
    recovered_at: datetime | None = None
    ancestors: Sequence[str] = ()  # its parent first
    group: str = ""

    @property
    def parent(self) -> str | None:
        return self.ancestors[0] if self.ancestors else None

    def lasts_at(self, at: datetime) -> bool:
        return self.recovered_at is None or self.recovered_at > at


@dataclass(slots=True, kw_only=True, eq=False)
class Circle:
    """The outages of one incident: a stored one, or one to be made."""

    incident_id: int | None = None  # None: to be made
    failures: list[Failure] = field(default_factory=list)  # of a stored incident: those that are followed
    joined: list[Failure] = field(default_factory=list)  # the new ones among them
    refused: Collection[str] = ()  # services that a person took off the incident
    is_storm: bool = False
    is_untouched: bool = True  # no person has changed it, acknowledged it or posted an update
    is_draft: bool = True
    merged_into: "Circle | None" = None


def join(new: Iterable[Failure], stored: Iterable[Circle]) -> list[Circle]:
    """Place each new outage in a circle; return those that gained outages or were merged, the oldest first."""
    desk = _Desk(stored)
    rest = []
    for failure in sorted(new, key=_order):
        circle = desk.of_ancestor(failure)
        if circle is None:
            rest.append(failure)
        else:
            desk.put(failure, circle)
    for storm in _storms(rest, desk.circles):
        _merge(storm, rest, desk)
    for failure in rest:
        if not desk.has(failure):
            circle = desk.of_ancestor(failure) or desk.of_relatives(failure) or desk.made()
            desk.put(failure, circle)
    return [circle for circle in desk.circles if circle.joined or circle.merged_into]


class _Desk:
    """All circles, found by service, parent and group."""

    def __init__(self, stored: Iterable[Circle]) -> None:
        self.circles: list[Circle] = []
        self._by_service: dict[str, tuple[Failure, Circle]] = {}
        self._by_parent: defaultdict[str, list[tuple[Failure, Circle]]] = defaultdict(list)
        self._by_group: defaultdict[str, list[tuple[Failure, Circle]]] = defaultdict(list)
        for circle in stored:
            self.circles.append(circle)
            for failure in circle.failures:
                self._index(failure, circle)

    def made(self) -> Circle:
        circle = Circle()
        self.circles.append(circle)
        return circle

    def put(self, failure: Failure, circle: Circle) -> None:
        circle.failures.append(failure)
        circle.joined.append(failure)
        self._index(failure, circle)

    def has(self, failure: Failure) -> bool:
        return self._by_service.get(failure.service_id, (None,))[0] is failure

    def of_ancestor(self, failure: Failure) -> Circle | None:
        for id in failure.ancestors:
            found = self._by_service.get(id)
            if found and found[0].lasts_at(failure.failed_at) and found[0].failed_at <= failure.failed_at + TOGETHER:
                circle = _final(found[1])
                if failure.service_id not in circle.refused:
                    return circle
        return None

    def of_relatives(self, failure: Failure) -> Circle | None:
        places = [self._by_parent.get(failure.service_id, ())]  # its children may be confirmed sooner
        if failure.parent:
            places.append(self._by_parent.get(failure.parent, ()))
        if failure.group:
            places.append(self._by_group.get(failure.group, ()))
        for place in places:
            for other, circle in reversed(place):
                final = _final(circle)
                if abs(other.failed_at - failure.failed_at) <= TOGETHER and failure.service_id not in final.refused:
                    return final
        return None

    def _index(self, failure: Failure, circle: Circle) -> None:
        self._by_service[failure.service_id] = (failure, circle)
        if failure.parent:
            self._by_parent[failure.parent].append((failure, circle))
        if failure.group:
            self._by_group[failure.group].append((failure, circle))


def _storms(new: Sequence[Failure], circles: Sequence[Circle]) -> Iterator[list[datetime]]:
    """Yield the instants of failures of each storm, in order, that has a new outage or continues with one."""
    failures = [*new, *(failure for circle in circles for failure in circle.failures)]
    times = sorted(failure.failed_at for failure in failures)
    in_storm = {failure.failed_at for circle in circles if circle.is_storm for failure in circle.failures}
    done = 0  # times up to here are judged; each is added once, or two thousand at once would take millions of steps
    for start, at in enumerate(times):
        end = bisect_right(times, at + TOGETHER)
        if end - start >= STORM:
            in_storm.update(times[max(start, done) : end])
            done = end
    known, new_times = sorted(in_storm), {failure.failed_at for failure in new}
    in_storm.update(at for at in new_times if _is_near(known, at))
    for storm in _unbroken(sorted(in_storm)):
        if not new_times.isdisjoint(storm):
            yield storm


def _is_near(times: Sequence[datetime], at: datetime) -> bool:
    return bisect_left(times, at - TOGETHER) < bisect_right(times, at + TOGETHER)


def _unbroken(times: Sequence[datetime]) -> Iterator[list[datetime]]:
    storm: list[datetime] = []
    for at in times:
        if storm and at - storm[-1] > TOGETHER:
            yield storm
            storm = []
        storm.append(at)
    if storm:
        yield storm


def _merge(storm: Sequence[datetime], new: Iterable[Failure], desk: _Desk) -> None:
    """Put the new outages of a storm into one circle, and merge the untouched drafts of the same time into it."""
    within = set(storm)
    of_time = [each for each in desk.circles if each.failures and {f.failed_at for f in each.failures} <= within]
    known = next((each for each in desk.circles if each.is_storm and _touches(each, within)), None)
    target = known or next((each for each in of_time if each.is_untouched), None) or desk.made()
    target.is_storm = True
    for failure in new:
        if failure.failed_at in within and failure.service_id not in target.refused:
            desk.put(failure, target)
    for circle in of_time:
        if circle is not target and circle.is_untouched and circle.is_draft:
            circle.merged_into = target
            target.failures += circle.failures
            target.joined += circle.joined
            circle.joined = []


def _touches(circle: Circle, times: Collection[datetime]) -> bool:
    return any(failure.failed_at in times for failure in circle.failures)


def _final(circle: Circle) -> Circle:
    return circle.merged_into or circle


def _order(failure: Failure) -> tuple[datetime, int, str]:
    return (failure.failed_at, len(failure.ancestors), failure.service_id)


def roots(service_ids: Collection[str], ancestors: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the services of an incident that are not part of another one in it."""
    within = set(service_ids)
    return [id for id in service_ids if within.isdisjoint(ancestors.get(id, ()))]
