"""Diagnostics and metrics of the consumers of transitions, which update the system status and draft incidents."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from monitoring.config import clock
from monitoring.models import TransitionClaim
from monitoring.states import transitions
from observability import metrics
from observability.diagnostics import Finding, bad, doctor, good, warning

SLOW, LATE = timedelta(seconds=15), timedelta(minutes=2)  # a sweep calls consumers again each ten seconds


def lags(now: datetime) -> dict[str, timedelta]:
    """Return the age of the oldest transition that each consumer has not handled; zero if there is none. One query."""
    waiting = TransitionClaim.objects.filter(done_at=None).values_list("consumer")
    oldest: dict[str, datetime] = dict(waiting.annotate(oldest=Min("transition__created_at")))
    return {name: max(timedelta(), now - oldest.get(name, now)) for name in transitions.consumers()}


def of_consumers() -> Iterable[Metric]:
    family = GaugeMetricFamily(
        f"{metrics.PREFIX}transition_lag_seconds",
        "Age of the oldest transition that a consumer has not handled, or 0.",
        labels=["consumer"],
    )
    for consumer, lag in lags(clock.now()).items():
        family.add_metric([consumer], lag.total_seconds())
    yield family


def examine() -> Finding:
    return judge(lags(clock.now()))


def judge(found: Mapping[str, timedelta]) -> Finding:
    """Judge how far the consumers are behind."""
    late = {name: lag for name, lag in found.items() if lag >= SLOW}
    if not late:
        return good(_("Changes of status are handled at once."))
    says = _("Changes of status wait to be handled: %(consumers)s") % {
        "consumers": ", ".join(f"{name} ({lag.total_seconds():.0f} s)" for name, lag in sorted(late.items()))
    }
    remedy = _("Make sure that beat and a worker for the queue “alerts” are running. See their logs.")
    return bad(says, remedy) if max(late.values()) >= LATE else warning(says, remedy)


metrics.register_collector("consumers", of_consumers)
doctor.register("consumers", gettext_lazy("Changes of status"), examine, area="engine")
