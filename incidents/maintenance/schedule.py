"""The dates of a plan, and the maintenance that they would overlap."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.translation import gettext as _

from incidents.maintenance import recurrence
from incidents.models import MaintenancePlan
from monitoring.models import Service, Span

# Longer than the longest notice that a policy can ask for (90 days): a date is entered in time for it.
HORIZON = timedelta(days=100)
CHECKED_AHEAD = timedelta(days=400)  # dates that are compared with those of other plans

Window = tuple[datetime, datetime]


def windows(plan: MaintenancePlan, after: datetime, before: datetime) -> Iterator[Window]:
    """Yield the dates of a plan that begin in [after, before), in order."""
    zone = ZoneInfo(plan.zone)
    for since in recurrence.instants(plan.rrule, plan.first_wall, zone):
        if since >= before:
            return
        if since >= after:
            yield since, since + plan.duration


def next_starts(plan: MaintenancePlan, now: datetime, count: int) -> list[datetime]:
    starts = recurrence.instants(plan.rrule, plan.first_wall, ZoneInfo(plan.zone))
    return list(islice((each for each in starts if each >= now), count))


def first_overlap_with_itself(dates: Sequence[Window]) -> tuple[Window, Window] | None:
    for earlier, later in pairwise(dates):
        if later[0] < earlier[1]:
            return earlier, later
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Time in which other maintenance stands, and its name."""

    since: datetime
    until: datetime | None  # None: until somebody ends it
    name: str


def covered_ids(plan: MaintenancePlan, service_ids: Iterable[str]) -> set[str]:
    """Return the services that are named or in a group of the plan now. One query if it has groups."""
    grouped = Service.objects.present().filter(group_name__in=plan.groups) if plan.groups else Service.objects.none()
    return {*service_ids, *grouped.values_list("id", flat=True)}


def taken(
    service_ids: set[str] | None, start: datetime, end: datetime, *, but_plan: int | None = None, but: int | None = None
) -> list[Taken]:
    """Return the maintenance in [start, end) of services, None for all: what is stored, and the dates of other plans.

    `but_plan` is a plan whose own dates do not count, `but` an occurrence whose own time does not. A query for each
    of: stored spans, plans, services of plans, services of groups.
    """
    met = Span.objects.maintenance().touching(start, end)
    if service_ids is not None:
        met = met.filter(Q(service=None) | Q(service__in=service_ids))
    if but_plan is not None:
        met = met.exclude(coverage__occurrence__plan=but_plan)
    if but is not None:
        met = met.exclude(coverage__occurrence=but)
    rows = met.values_list("since", "until", "reason").distinct()
    found = [Taken(since=since, until=until, name=reason or _("maintenance")) for since, until, reason in rows]
    return found + [each for plan in _others(service_ids, but_plan) for each in _later_dates(plan, end)]


def _later_dates(plan: MaintenancePlan, end: datetime) -> Iterator[Taken]:
    assert plan.made_until is not None
    for since, until in windows(plan, plan.made_until, end):
        yield Taken(since=since, until=until, name=plan.title)


def _others(service_ids: set[str] | None, but_plan: int | None) -> Iterator[MaintenancePlan]:
    """Yield the other plans with a rule that cover one of these services."""
    plans = MaintenancePlan.objects.filter(cancelled_at=None, made_until__isnull=False).exclude(rrule="")
    for plan in plans.prefetch_related("services"):
        if plan.pk == but_plan:
            continue
        named = [service.pk for service in plan.services.all()]
        if plan.covers_all or service_ids is None or service_ids & covered_ids(plan, named):
            yield plan


def first_overlap(dates: Sequence[Window], others: Sequence[Taken]) -> tuple[Window, Taken] | None:
    """Return the first date, of dates in order, that meets other maintenance, and that one."""
    waiting = sorted(others, key=lambda each: each.since, reverse=True)
    begun: list[Taken] = []
    for since, until in dates:
        while waiting and waiting[-1].since < until:
            begun.append(waiting.pop())
        begun = [each for each in begun if each.until is None or each.until > since]
        if begun:
            return (since, until), begun[0]
    return None
