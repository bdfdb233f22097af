"""Let maintenance run itself: make its dates ahead, announce, begin and end them.

Each step depends on what is stored and on `now` alone, and holds one lock. So a step that was interrupted is done by
the next call, two calls make no twin, and a clock that is set back undoes nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, Value
from django.utils import translation
from django.utils.translation import gettext as _

from database.locks import lock_in_transaction, wait_briefly
from incidents.maintenance import coverage
from incidents.maintenance.recurrence import instant_of_wall
from incidents.maintenance.schedule import HORIZON, windows
from incidents.maintenance.steps import Step, tell
from incidents.models import MaintenanceOccurrence, MaintenancePlan, MaintenanceUpdate
from monitoring.models import Service
from monitoring.rules.state import Status
from monitoring.states.live import with_live_status

LOCK = "maintenance"
MADE_EVERY = timedelta(days=1)  # so that a rule isn't expanded every minute
MOST_NAMED = 5  # services that were down at the end


def run(now: datetime, zone: tzinfo) -> None:
    """Do all steps that are due. `zone` is that of accounting days."""
    for step in (make_ahead, follow_groups, advance):
        with transaction.atomic():
            wait_briefly()
            lock()
            step(now, zone)


def lock() -> None:
    """Wait until nobody else plans, runs or changes maintenance; until the transaction ends."""
    lock_in_transaction(LOCK)


def make_ahead(now: datetime, zone: tzinfo) -> None:
    """Store the dates of each plan up to the horizon."""
    horizon = now + HORIZON
    due = MaintenancePlan.objects.filter(cancelled_at=None, made_until__lt=horizon - MADE_EVERY).exclude(rrule="")
    for plan in due.order_by("id"):
        assert plan.made_until is not None
        make(plan, plan.made_until, horizon, now, zone)


def make(plan: MaintenancePlan, after: datetime, horizon: datetime, now: datetime, zone: tzinfo) -> None:
    """Store the dates of a plan in [after, horizon), with their spans, which enter them in the name of its author."""
    if not plan.rrule:  # its only date is stored at once, however far ahead
        horizon = max(horizon, instant_of_wall(plan.first_wall, ZoneInfo(plan.zone)) + MADE_EVERY)
    dates = dict(windows(plan, after, horizon))
    stored = {each.since: each for each in plan.occurrences.filter(since__in=dates)}
    revived = [each for each in stored.values() if each.cancelled_at is not None and not each.is_skipped]
    for each in revived:
        each.until, each.cancelled_at, each.cancelled_by, each.announced_at = dates[each.since], None, None, None
    MaintenanceOccurrence.objects.bulk_update(revived, ["until", "cancelled_at", "cancelled_by", "announced_at"])
    new = [
        MaintenanceOccurrence(plan=plan, since=since, until=until)
        for since, until in dates.items()
        if since not in stored
    ]
    MaintenanceOccurrence.objects.bulk_create(new)
    if new or revived:
        coverage.cover(plan, [*new, *revived], coverage.wanted_ids(plan), by=plan.author, now=now, zone=zone)
    plan.made_until = horizon
    MaintenancePlan.objects.filter(pk=plan.pk).update(made_until=horizon)


def follow_groups(now: datetime, zone: tzinfo) -> None:
    """Let the dates that have not begun cover the services that their groups have now."""
    for plan in MaintenancePlan.objects.filter(cancelled_at=None).exclude(groups=[]).order_by("id"):
        planned = list(plan.occurrences.planned().filter(since__gt=now).order_by("since"))
        if not planned:
            continue
        wanted = coverage.wanted_ids(plan)
        if wanted != set(coverage.spans_of(planned[:1]).values_list("service_id", flat=True)):
            coverage.cover(plan, planned, wanted, by=None, now=now, zone=zone)


def advance(now: datetime, zone: tzinfo) -> None:
    """Announce, begin and end what is due; all three if nobody called for long."""
    steps: tuple[Callable[[datetime], None], ...] = (_announce, _begin, _end)
    for step in steps:
        step(now)


def _announce(now: datetime) -> None:
    ahead = ExpressionWrapper(F("plan__announce_hours") * Value(timedelta(hours=1)), output_field=DurationField())
    due = MaintenanceOccurrence.objects.planned().filter(announced_at=None, plan__announce_hours__gt=0, since__gt=now)
    for occurrence in due.filter(since__lte=now + ahead).order_by("since", "id"):
        occurrence.announced_at = now
        occurrence.save(update_fields=["announced_at"])
        tell(occurrence, Step.ANNOUNCED)


def _begin(now: datetime) -> None:
    for occurrence in MaintenanceOccurrence.objects.planned().filter(since__lte=now).order_by("since", "id"):
        occurrence.begun_at = occurrence.since
        occurrence.save(update_fields=["begun_at"])
        tell(occurrence, Step.BEGUN)


def _end(now: datetime) -> None:
    due = MaintenanceOccurrence.objects.overrunning(now).select_related("plan")
    for occurrence in due.order_by("until", "id"):
        if not occurrence.plan.ends_by_hand:
            _end_by_itself(occurrence, now)
        elif occurrence.overran_at is None:
            occurrence.overran_at = occurrence.until
            occurrence.save(update_fields=["overran_at"])
            tell(occurrence, Step.OVERRAN)


def _end_by_itself(occurrence: MaintenanceOccurrence, now: datetime) -> None:
    """End an occurrence at its planned end. If services of it are down, flag it and note which."""
    down = _down_now(occurrence, now)
    occurrence.ended_at, occurrence.down_at_end = occurrence.until, len(down)
    occurrence.save(update_fields=["ended_at", "down_at_end"])
    if down:
        _note_down(occurrence, down, now)
    tell(occurrence, Step.ENDED_WHILE_DOWN if down else Step.ENDED)


def _down_now(occurrence: MaintenanceOccurrence, now: datetime) -> list[str]:
    """Return the names of the covered services that are down."""
    ids = set(coverage.spans_of([occurrence]).values_list("service_id", flat=True))
    services = Service.objects.monitored()
    if None not in ids:
        services = services.filter(id__in=ids)
    down = with_live_status(services, now).filter(live_status=Status.DOWN)
    return list(down.order_by("display_name").values_list("display_name", flat=True))


def _note_down(occurrence: MaintenanceOccurrence, down: list[str], now: datetime) -> None:
    with translation.override(settings.LANGUAGE_CODE):
        more = f" +{len(down) - MOST_NAMED}" if len(down) > MOST_NAMED else ""
        words = _("The planned end has passed, and %(count)d services are down: %(names)s") % {
            "count": len(down),
            "names": ", ".join(down[:MOST_NAMED]) + more,
        }
    MaintenanceUpdate.objects.create(
        occurrence=occurrence, message=words, is_customer_visible=False, created_at=now, published_at=now
    )
