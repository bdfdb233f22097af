"""Compare outages as measured with incidents as told. Pure: values in, differences out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Measured downtime of a service, in [start, end)."""

    service_id: str
    start_at: datetime
    end_at: datetime | None  # None: it has not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An incident that is published, or a draft that waits for a decision."""

    incident_id: int
    service_ids: frozenset[str]
    start_at: datetime
    end_at: datetime | None  # None: it is not resolved
    is_draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference; the kinds are those of `incidents.models.FindingKind`."""

    kind: str
    service_id: str | None = None
    incident_id: int | None = None
    measured_at: datetime | None = None
    measured_until: datetime | None = None
    told_at: datetime | None = None


def compare(outages: Iterable[Outage], told: Iterable[Told], *, since: datetime) -> list[Difference]:
    """Return the differences, those of outages first.

    An outage is told if an incident that names its service overlaps it, give or take `TOLERANCE`; a draft is enough, as
    it waits for a decision of its own. The times of a published incident are compared with the earliest start and the
    latest end of the outages that it tells. Outages are known `since` an instant; incidents that began before it are
    not compared.
    """
    incidents = list(told)
    by_service: defaultdict[str, list[Told]] = defaultdict(list)
    for incident in incidents:
        for service_id in incident.service_ids:
            by_service[service_id].append(incident)
    told_by: defaultdict[int, list[Outage]] = defaultdict(list)
    found = []
    for outage in outages:
        telling = [incident for incident in by_service[outage.service_id] if meet(outage, incident)]
        for incident in telling:
            told_by[incident.incident_id].append(outage)
        if not telling:
            found.append(
                Difference(
                    kind="unreported",
                    service_id=outage.service_id,
                    measured_at=outage.start_at,
                    measured_until=outage.end_at,
                )
            )
    for incident in incidents:
        if incident.is_draft or incident.start_at - TOLERANCE < since:
            continue
        found += _of_incident(incident, told_by[incident.incident_id])
    return found


def meet(outage: Outage, incident: Told) -> bool:
    """Return whether an outage and an incident overlap, give or take `TOLERANCE`."""
    began_in_time = incident.end_at is None or outage.start_at < incident.end_at + TOLERANCE
    return began_in_time and (outage.end_at is None or incident.start_at - TOLERANCE < outage.end_at)


def _of_incident(incident: Told, outages: Sequence[Outage]) -> list[Difference]:
    if not outages:
        if not incident.service_ids:
            return []  # it names no service, so there is nothing to compare
        return [Difference(kind="unmeasured", incident_id=incident.incident_id, told_at=incident.start_at)]
    found = []
    start_at = min(outage.start_at for outage in outages)
    if abs(start_at - incident.start_at) > TOLERANCE:
        found.append(
            Difference(kind="start", incident_id=incident.incident_id, measured_at=start_at, told_at=incident.start_at)
        )
    ends = [outage.end_at for outage in outages if outage.end_at is not None]
    # While either is open, its end is not known.
    if incident.end_at is not None and len(ends) == len(outages) and abs(max(ends) - incident.end_at) > TOLERANCE:
        found.append(
            Difference(kind="end", incident_id=incident.incident_id, measured_at=max(ends), told_at=incident.end_at)
        )
    return found
