"""Acts on maintenance with one click: extend, end, skip, cancel, write an update.

Each act first does the steps that are due, so it judges the state of this moment; a second click is refused with words.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from incidents.maintenance import coverage, planning, running
from incidents.maintenance.schedule import first_overlap, taken
from incidents.maintenance.steps import Step, tell
from incidents.models import MaintenanceOccurrence, MaintenancePlan, MaintenanceUpdate
from incidents.models.maintenance import LONGEST_MINUTES

SECOND = timedelta(seconds=1)


def extend(pk: int, minutes: int, *, by: User | None, now: datetime, zone: tzinfo) -> MaintenanceOccurrence:
    """Let an occurrence last longer: from its planned end, or from now if that has passed."""
    with transaction.atomic():
        occurrence = _under_way(pk, now, zone)
        if not 1 <= minutes <= LONGEST_MINUTES:
            words = _("%(minutes)d minutes is out of range. Enter a number from 1 to %(longest)d.")
            raise ValidationError(words, params={"minutes": minutes, "longest": LONGEST_MINUTES})
        until = max(_second(now), occurrence.until) + timedelta(minutes=minutes)
        _refuse_overlap(occurrence, until)
        _set_end(occurrence, until, by=by, now=now, zone=zone)
        occurrence.save(update_fields=["until"])
        tell(occurrence, Step.EXTENDED)
    return occurrence


def end_now(pk: int, *, by: User | None, now: datetime, zone: tzinfo) -> MaintenanceOccurrence:
    """End an occurrence that is under way, before its planned end or after it."""
    with transaction.atomic():
        occurrence = _under_way(pk, now, zone)
        until = max(_second(now), occurrence.since + SECOND)
        _set_end(occurrence, until, by=by, now=now, zone=zone)
        occurrence.ended_at, occurrence.ended_by = until, by
        occurrence.save(update_fields=["until", "ended_at", "ended_by"])
        tell(occurrence, Step.ENDED)
    return occurrence


def skip(pk: int, *, by: User | None, now: datetime, zone: tzinfo) -> MaintenanceOccurrence:
    """Cancel one date of a plan; the others stay."""
    with transaction.atomic():
        occurrence = _current(pk, now, zone)
        if occurrence.begun_at is not None and occurrence.ended_at is None:
            raise ValidationError(_("It has begun. End it instead."), "begun")
        _refuse_over(occurrence)
        planning.withdraw([occurrence], by=by, now=now, zone=zone, is_skipped=True)
    return occurrence


def cancel(pk: int, *, by: User | None, now: datetime, zone: tzinfo) -> MaintenancePlan:
    """Cancel a plan: its dates that have not begun are cancelled, and one under way ends."""
    with transaction.atomic():
        running.lock()
        running.advance(now, zone)
        plan = MaintenancePlan.objects.select_for_update().get(pk=pk)
        if plan.cancelled_at is not None:
            raise _already(plan.cancelled_by, plan.cancelled_at, _("It was already cancelled by %(who)s, %(time)s."))
        for occurrence in plan.occurrences.under_way().order_by("since"):
            end_now(occurrence.pk, by=by, now=now, zone=zone)
        planning.withdraw(list(plan.occurrences.planned()), by=by, now=now, zone=zone)
        plan.cancelled_at, plan.cancelled_by, plan.updated_at = now, by, now
        plan.save(update_fields=["cancelled_at", "cancelled_by", "updated_at"])
    return plan


def post(update: MaintenanceUpdate, *, by: User | None, now: datetime) -> None:
    """Store an update, which is public at once unless it is internal."""
    if not update.message.strip():
        raise ValidationError(_("The update has no text. Write what customers should know."))
    with transaction.atomic():
        update.created_by, update.created_at, update.published_at = by, now, now
        update.save()
        tell(update.occurrence, Step.UPDATED)


def _set_end(
    occurrence: MaintenanceOccurrence, until: datetime, *, by: User | None, now: datetime, zone: tzinfo
) -> None:
    occurrence.until = until
    coverage.follow(occurrence.plan, occurrence, by=by, now=now, zone=zone)


def _refuse_overlap(occurrence: MaintenanceOccurrence, until: datetime) -> None:
    covered = set(coverage.spans_of([occurrence]).values_list("service_id", flat=True))
    ids = None if None in covered else {id for id in covered if id is not None}
    added = (occurrence.until, until)
    found = first_overlap([added], taken(ids, *added, but=occurrence.pk))
    if found is not None:
        other = found[1]
        words = planning.overlap_words(added, other.name, other.since, other.until, occurrence.plan.zone)
        raise ValidationError(words)


def _current(pk: int, now: datetime, zone: tzinfo) -> MaintenanceOccurrence:
    """Return an occurrence as it is now, locked. Raises DoesNotExist."""
    running.lock()
    running.advance(now, zone)
    return MaintenanceOccurrence.objects.select_related("plan").get(pk=pk)


def _under_way(pk: int, now: datetime, zone: tzinfo) -> MaintenanceOccurrence:
    occurrence = _current(pk, now, zone)
    _refuse_over(occurrence)
    if occurrence.begun_at is None:
        raise ValidationError(_("It has not begun. Skip it, or change the plan."), "not_begun")
    return occurrence


def _refuse_over(occurrence: MaintenanceOccurrence) -> None:
    if occurrence.ended_at is not None:
        raise _already(occurrence.ended_by, occurrence.ended_at, _("It was already ended by %(who)s, %(time)s."))
    if occurrence.cancelled_at is not None:
        words = _("It was already cancelled by %(who)s, %(time)s.")
        raise _already(occurrence.cancelled_by, occurrence.cancelled_at, words)


def _already(who: User | None, at: datetime, words: str) -> ValidationError:
    params: dict[str, Any] = {"who": str(who or _("the monitor")), "time": f"{at:%Y-%m-%d %H:%M} UTC"}
    return ValidationError(words, "over", params)


def _second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)
