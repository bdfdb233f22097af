"""Maintenance as its readers need it: the page, the first screen, the API."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from incidents.models import MaintenanceCoverage, MaintenanceOccurrence, MaintenanceUpdate
from incidents.models.maintenance import OccurrenceQuerySet
from monitoring.rules.calendar_days import bounds, day_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicUpdate:
    message: str  # Markdown
    message_translations: Mapping[str, str]
    published_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An occurrence that is announced or under way."""

    id: int
    plan_id: int
    title: str
    title_translations: Mapping[str, str]  # by language code
    description: str  # Markdown
    description_translations: Mapping[str, str]
    since: datetime
    until: datetime
    is_under_way: bool
    is_overrunning: bool  # under way after its planned end
    service_ids: frozenset[str] | None  # None: all services
    updates: Sequence[PublicUpdate] = ()  # newest first; only for the page


def for_page(now: datetime) -> list[Shown]:
    """Return what customers may see: what is under way, then what is announced, in order. Three queries.

    An occurrence is under way by the times, even if the task that begins it is late.
    """
    met = MaintenanceOccurrence.objects.open().exclude(announced_at=None, begun_at=None, since__gt=now)
    return _shown(met.exclude(until__lte=now, plan__ends_by_hand=False), now, has_updates=True)


def today(now: datetime, zone: tzinfo) -> list[Shown]:
    """Return what is under way or begins before the end of the day, announced or not, in order. Two queries."""
    _start, end = bounds(day_of(now, zone), zone)
    return _shown(MaintenanceOccurrence.objects.open().filter(since__lt=end), now)


def _shown(found: OccurrenceQuerySet, now: datetime, *, has_updates: bool = False) -> list[Shown]:
    rows = list(found.select_related("plan").order_by("since", "id"))
    if not rows:
        return []
    covered = _covered([row.pk for row in rows])
    updates = _updates([row.pk for row in rows]) if has_updates else {}
    return [
        Shown(
            id=row.pk,
            plan_id=row.plan_id,
            title=row.plan.title,
            title_translations=row.plan.title_translations,
            description=row.plan.description,
            description_translations=row.plan.description_translations,
            since=row.since,
            until=row.until,
            is_under_way=row.since <= now,
            is_overrunning=row.until <= now,
            service_ids=covered[row.pk],
            updates=updates.get(row.pk, ()),
        )
        for row in rows
    ]


def _covered(occurrence_ids: Collection[int]) -> dict[int, frozenset[str] | None]:
    found: defaultdict[int, set[str | None]] = defaultdict(set)
    rows = MaintenanceCoverage.objects.filter(occurrence__in=occurrence_ids, span__replaced_at=None)
    for occurrence_id, service_id in rows.values_list("occurrence_id", "span__service_id"):
        found[occurrence_id].add(service_id)
    return {
        id: None if None in found[id] else frozenset(each for each in found[id] if each is not None)
        for id in occurrence_ids
    }


def _updates(occurrence_ids: Collection[int]) -> dict[int, list[PublicUpdate]]:
    found: defaultdict[int, list[PublicUpdate]] = defaultdict(list)
    for row in (
        MaintenanceUpdate.objects.public().filter(occurrence__in=occurrence_ids).order_by("-published_at", "-id")
    ):
        assert row.published_at is not None
        found[row.occurrence_id].append(
            PublicUpdate(
                message=row.message, message_translations=row.message_translations, published_at=row.published_at
            )
        )
    return found
