"""Metrics and diagnostics of maintenance that runs itself."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from incidents.models import MaintenanceOccurrence
from observability import metrics
from observability.diagnostics import Finding, bad, doctor, good, warning

LATE_AFTER = timedelta(minutes=3)  # the task runs each minute


def of_maintenance() -> Iterable[Metric]:
    """Count what is under way, what has overrun, and steps that are late. Three queries."""
    now, open_ones = timezone.now(), MaintenanceOccurrence.objects.under_way()
    yield _gauge("maintenance_under_way", "Maintenance that has begun and not ended.", open_ones.count())
    overrun = MaintenanceOccurrence.objects.overrunning(now).filter(plan__ends_by_hand=True)
    yield _gauge("maintenance_overrun", "Maintenance under way after its planned end.", overrun.count())
    words = "Maintenance that should have begun or ended by itself minutes ago, and has not."
    yield _gauge("maintenance_late_steps", words, late_steps(now))


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(metrics.PREFIX + name, words, value=value)


def late_steps(now: datetime) -> int:
    """Return how many occurrences wait for the task to begin or end them. One query."""
    due = Q(begun_at=None, since__lte=now - LATE_AFTER)
    over = Q(begun_at__isnull=False, until__lte=now - LATE_AFTER, plan__ends_by_hand=False)
    return MaintenanceOccurrence.objects.open().filter(due | over).count()


def examine() -> Finding:
    now = timezone.now()
    overrun = MaintenanceOccurrence.objects.overrunning(now).filter(plan__ends_by_hand=True)
    titles = list(overrun.order_by("until").values_list("plan__title", flat=True)[:3])
    return judge(late_steps(now), titles)


def judge(late: int, overrun: list[str]) -> Finding:
    """Judge steps that the task has not done in time, and what waits for a person to end it."""
    if late:
        says = _("%(count)d maintenance dates should have begun or ended by themselves minutes ago.")
        remedy = _("Make sure that beat and a worker for the queue “alerts” are running. See their logs.")
        return bad(says % {"count": late}, remedy)
    if overrun:
        says = _("Past its planned end and under way: %(titles)s") % {"titles": ", ".join(overrun)}
        return warning(says, _("End it, or extend it, on its page in the admin."))
    return good(_("Maintenance begins and ends on time."))


metrics.register_collector("maintenance", of_maintenance)
doctor.register("maintenance", gettext_lazy("Maintenance"), examine, area="engine")
