"""Plan maintenance, and change plans: all of it, or nothing with the reason."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from database import changes
from incidents.maintenance import coverage, recurrence, running
from incidents.maintenance.schedule import (
    CHECKED_AHEAD,
    HORIZON,
    Window,
    covered_ids,
    first_overlap,
    first_overlap_with_itself,
    taken,
    windows,
)
from incidents.maintenance.steps import Step, tell
from incidents.models import MaintenanceOccurrence, MaintenancePlan
from incidents.models.maintenance import LONGEST_MINUTES
from monitoring.models import Service
from observability.events import Action, Subject, tell_when_committed

PAST_ALLOWED = timedelta(minutes=1)
YEARS_AHEAD = 10
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
TIMES = ("starts_on", "wall_time", "zone")


def save(plan: MaintenancePlan, services: Collection[Service], *, by: User | None, now: datetime, zone: tzinfo) -> None:
    """Store a plan with its services, and its dates up to the horizon; `zone` is that of accounting days.

    Dates that are under way stay as they are. Raises `ValidationError` by field; then nothing is changed.
    """
    with transaction.atomic():
        running.lock()
        running.advance(now, zone)
        check(plan, services, now=now)
        before = MaintenancePlan.objects.filter(pk=plan.pk).first()
        if before is None:
            plan.created_at, plan.author = now, by
        plan.updated_at = now
        plan.save()
        plan.services.set([] if plan.covers_all else services)
        if before is not None:
            _follow(plan, before, by=by, now=now, zone=zone)
        running.make(plan, now - PAST_ALLOWED, now + HORIZON, now, zone)
        changes.bump("page")
        action = Action.UPDATED if before else Action.CREATED
        tell_when_committed(Subject.MAINTENANCE, action, [f"plan {plan.pk}"])


def _follow(plan: MaintenancePlan, before: MaintenancePlan, *, by: User | None, now: datetime, zone: tzinfo) -> None:
    """Change the dates that are stored and have not begun: withdraw those that the plan no longer has."""
    planned = {each.since: each for each in plan.occurrences.planned()}
    last = max(planned, default=now) + PAST_ALLOWED
    dates = dict(windows(plan, min(planned, default=now), last))
    withdraw([each for since, each in planned.items() if since not in dates], by=by, now=now, zone=zone)
    kept = [each for since, each in planned.items() if since in dates]
    changed = [each for each in kept if each.until != dates[each.since] or plan.title != before.title]
    for each in kept:
        each.until = dates[each.since]
    MaintenanceOccurrence.objects.bulk_update(kept, ["until"])
    coverage.cover(plan, kept, coverage.wanted_ids(plan), by=by, now=now, zone=zone)
    for each in changed:
        coverage.follow(plan, each, by=by, now=now, zone=zone)


def withdraw(
    occurrences: Collection[MaintenanceOccurrence],
    *,
    by: User | None,
    now: datetime,
    zone: tzinfo,
    is_skipped: bool = False,
) -> None:
    """Cancel dates that have not begun, with their spans."""
    coverage.withdraw(occurrences, by=by, now=now, zone=zone)
    for each in occurrences:
        each.cancelled_at, each.cancelled_by, each.is_skipped = now, by, is_skipped
        each.save(update_fields=["cancelled_at", "cancelled_by", "is_skipped"])
        tell(each, Step.CANCELLED)


def check(plan: MaintenancePlan, services: Collection[Service], *, now: datetime) -> None:
    """Raise `ValidationError`, by field, if a plan is not one that can be kept: its times, its rule, its overlaps.

    Call it with the lock held, so that what it saw stays true until the transaction ends.
    """
    if plan.cancelled_at is not None:
        raise ValidationError(_("This maintenance is cancelled. Plan another one."), "over")
    _check_times(plan, now)
    _check_groups(plan)
    ids = None if plan.covers_all else covered_ids(plan, [service.pk for service in services])
    if ids is not None and not ids:
        raise _refused("services", _("It covers no service. Choose services, a group, or all services."))
    dates = _dates(plan, now)
    if (met := first_overlap_with_itself(dates)) is not None:
        raise _overlaps_itself(plan, *met)
    others = taken(ids, now, dates[-1][1], but_plan=plan.pk) if dates else []
    if (found := first_overlap(dates, others)) is not None:
        raise _refused("starts_on", overlap_words(found[0], found[1].name, found[1].since, found[1].until, plan.zone))


def _check_times(plan: MaintenancePlan, now: datetime) -> None:
    if plan.zone not in available_timezones():
        words = _("“%(zone)s” is not a time zone. Enter a name such as Europe/Berlin or Asia/Seoul.")
        raise _refused("zone", words, zone=plan.zone)
    if plan.duration_minutes < 1:
        words = _("It would end when it begins, or before: %(minutes)d minutes. Enter at least 1 minute.")
        raise _refused("duration_minutes", words, minutes=plan.duration_minutes)
    if plan.duration_minutes > LONGEST_MINUTES:
        words = _("%(minutes)d minutes is more than %(longest)d (30 days). Plan it in parts.")
        raise _refused("duration_minutes", words, minutes=plan.duration_minutes, longest=LONGEST_MINUTES)
    if plan.starts_on.year > now.year + YEARS_AHEAD:
        words = _("%(day)s is more than %(years)d years ahead. Enter an earlier day.")
        raise _refused("starts_on", words, day=plan.starts_on, years=YEARS_AHEAD)
    if _is_new_start(plan) and _has_passed(plan, now):
        words = _(
            "%(time)s in %(zone)s has passed. Choose a later start. An admin can enter work that was not announced"
            " under “Windows as accounted”; the ledger then shows it as entered late."
        )
        raise _refused("starts_on", words, time=f"{plan.first_wall:%Y-%m-%d %H:%M}", zone=plan.zone)


def _check_groups(plan: MaintenancePlan) -> None:
    known = set(Service.objects.present().filter(group_name__in=plan.groups).values_list("group_name", flat=True))
    if unknown := sorted(set(plan.groups) - known):
        raise _refused("groups", _("No service is in the group “%(group)s”. Remove it."), group=unknown[0])


def _is_new_start(plan: MaintenancePlan) -> bool:
    before = MaintenancePlan.objects.filter(pk=plan.pk).first()
    return before is None or any(getattr(before, name) != getattr(plan, name) for name in TIMES)


def _has_passed(plan: MaintenancePlan, now: datetime) -> bool:
    # In the first days of the calendar, a wall time may have no instant.
    return plan.starts_on.year < now.year - 1 or _first(plan) < now - PAST_ALLOWED


def _first(plan: MaintenancePlan) -> datetime:
    return recurrence.instant_of_wall(plan.first_wall, ZoneInfo(plan.zone))


def _dates(plan: MaintenancePlan, now: datetime) -> list[Window]:
    """Return the dates to be checked. Raises `ValidationError` for a wrong rule, or one without any date to come."""
    start = max(now, _first(plan)) - PAST_ALLOWED
    try:
        dates = list(windows(plan, start, max(now, start) + CHECKED_AHEAD))
        if dates or any(windows(plan, start, END_OF_TIME)):
            return dates
    except ValidationError as error:
        raise ValidationError({"rrule": error}) from None
    if not plan.rrule:
        return []  # an old plan whose only date has passed
    words = _("This rule has no date after %(time)s. Check its days and its end.")
    raise _refused("rrule", words, time=f"{plan.first_wall:%Y-%m-%d %H:%M}")


def _overlaps_itself(plan: MaintenancePlan, earlier: Window, later: Window) -> ValidationError:
    minutes = int((later[0] - earlier[0]) / timedelta(minutes=1))
    words = _(
        "It would still be under way at %(time)s, when its next date begins. Enter at most %(minutes)d minutes, or a"
        " rule with more time between."
    )
    return _refused("duration_minutes", words, time=local(later[0], plan.zone), minutes=minutes)


def overlap_words(date: Window, name: str, since: datetime, until: datetime | None, zone: str) -> str:
    words = _(
        "%(time)s overlaps “%(name)s”, %(since)s – %(until)s, which covers some of the same services. Choose another"
        " time, or end or skip that one first."
    )
    shown_until = local(until, zone) if until else "…"
    return words % {"time": local(date[0], zone), "name": name, "since": local(since, zone), "until": shown_until}


def local(instant: datetime, zone: str) -> str:
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _refused(field: str, words: str, **params: Any) -> ValidationError:
    return ValidationError({field: ValidationError(words, params=params or None)})
