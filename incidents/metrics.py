"""The metrics of incidents for `/metrics`, read at scrape time."""

from collections.abc import Iterable

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from incidents.models import Incident
from observability import metrics


def of_incidents() -> Iterable[Metric]:
    """Read how many drafts wait for a decision, for how long, and what is open. Two queries."""
    drafts = Incident.objects.drafts().aggregate(number=Count("pk"), oldest=Min("created_at"))
    now = timezone.now()
    yield _gauge("incident_drafts", "Drafts of incidents that wait for a decision.", drafts["number"])
    oldest_s = max(0.0, (now - drafts["oldest"]).total_seconds()) if drafts["oldest"] else 0.0
    yield _gauge("oldest_incident_draft_age_seconds", "Age of the oldest of these drafts, or 0.", oldest_s)
    yield _gauge("open_incidents", "Published incidents that are not resolved.", Incident.objects.unresolved().count())


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(metrics.PREFIX + name, words, value=value)


metrics.register_collector("incidents", of_incidents)
