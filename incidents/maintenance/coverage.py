"""The spans of occurrences, by which accounting knows of them: one of each service, or one of all services."""

from collections.abc import Collection
from datetime import datetime, tzinfo

from django.db import connection, transaction

from accounts.models import User
from database.bulk import array
from database.sql import statement
from incidents.maintenance.schedule import covered_ids
from incidents.models import MaintenanceCoverage, MaintenanceOccurrence, MaintenancePlan
from monitoring.accounting import amendments
from monitoring.models import Span
from monitoring.models.spans import SpanQuerySet

COVERED = ("occurrence_id", "span__service_id", "span_id")


def wanted_ids(plan: MaintenancePlan) -> set[str | None]:
    """Return the services that a plan covers now; {None} for all. Two queries at most."""
    if plan.covers_all:
        return {None}
    return set(covered_ids(plan, plan.services.values_list("pk", flat=True)))


def spans_of(occurrences: Collection[MaintenanceOccurrence]) -> SpanQuerySet:
    return Span.objects.in_force().filter(coverage__occurrence__in=[each.pk for each in occurrences])


def cover(
    plan: MaintenancePlan,
    occurrences: Collection[MaintenanceOccurrence],
    wanted: Collection[str | None],
    *,
    by: User | None,
    now: datetime,
    zone: tzinfo,
) -> None:
    """Make the spans of occurrences those of the wanted services. A fixed number of queries."""
    rows = MaintenanceCoverage.objects.filter(occurrence__in=occurrences, span__replaced_at=None)
    held = {(occurrence, service): span for occurrence, service, span in rows.values_list(*COVERED)}
    missing = [(each, id) for each in occurrences for id in sorted(wanted, key=str) if (each.pk, id) not in held]
    surplus = [span for (_occurrence, id), span in held.items() if id not in wanted]
    with transaction.atomic():
        if missing:
            _enter(plan, missing, by, now, zone)
        if surplus:
            amendments.withdraw_spans(Span.objects.filter(pk__in=surplus), by=by, now=now, zone=zone)


def _enter(
    plan: MaintenancePlan,
    missing: Collection[tuple[MaintenanceOccurrence, str | None]],
    by: User | None,
    now: datetime,
    zone: tzinfo,
) -> None:
    windows = [(id, each.since, each.until) for each, id in missing]
    stored = amendments.enter_maintenance(windows, reason=plan.title, by=by, now=now, zone=zone)
    values = {
        "span_ids": array(stored[id, each.since] for each, id in missing),
        "occurrence_ids": array(each.pk for each, _id in missing),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("incidents", "enter_coverage"), values)


def withdraw(occurrences: Collection[MaintenanceOccurrence], *, by: User | None, now: datetime, zone: tzinfo) -> None:
    amendments.withdraw_spans(spans_of(occurrences), by=by, now=now, zone=zone)


def follow(
    plan: MaintenancePlan, occurrence: MaintenanceOccurrence, *, by: User | None, now: datetime, zone: tzinfo
) -> None:
    """Give the spans of an occurrence its times and the title of its plan; copies keep the earlier ones."""
    amendments.change_spans(
        spans_of([occurrence]),
        since=occurrence.since,
        until=occurrence.until,
        reason=plan.title,
        by=by,
        now=now,
        zone=zone,
    )
