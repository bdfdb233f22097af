"""Reconcile incidents with measurements, and keep the differences as findings."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from database.locks import lock_in_transaction
from database.models import NightlyRun
from incidents.models import AffectedService, Finding, FindingKind, Incident
from incidents.reconciliation.comparing import Difference, Outage, Told, compare
from monitoring.accounting import ledger
from monitoring.models import Service, UptimeRecord
from monitoring.models.services import SAMPLE_UNTIL
from monitoring.rules.calendar_days import day_of
from monitoring.rules.sla import Kind

DAYS = 90  # that a reconciliation looks back at, as many as the page shows
SHORTEST = timedelta(minutes=1)  # an outage that people are expected to tell
LEDGER_STEP = timedelta(seconds=1)  # ledgers end at a whole second
JOB = "reconciliation"  # the name of its nightly job
DOWN = Kind.DOWN


def reconcile(now: datetime, zone: tzinfo, *, days: int = DAYS) -> int:
    """Compare the last days, store new findings and delete those that no longer exist; return how many are open.

    Reads the ledgers of the services that had downtime, some ten queries for each.
    """
    start = now - timedelta(days=days)
    found = compare(_outages(start, now, zone), _told(start), since=start)
    differences = _without_samples(each for each in found if not _is_short(each, now))
    with transaction.atomic():
        lock_in_transaction("reconciliation")
        _store(differences, start, now)
        NightlyRun.objects.update_or_create(name=JOB, defaults={"begun_at": now, "finished_at": now, "error": ""})
        return Finding.objects.open().count()


def last_compared_at() -> datetime | None:
    """Return when incidents and measurements were compared last; None: never. One query."""
    return NightlyRun.objects.filter(name=JOB).values_list("finished_at", flat=True).first()


def explain(finding_id: int, explanation: str, *, who: User | None, now: datetime) -> None:
    """Settle a finding with a reason, once. Raises Finding.DoesNotExist or ValidationError."""
    if not explanation.strip():
        raise ValidationError(_("Enter the reason why measurement and incident differ."), "empty")
    settled = Finding.objects.open().filter(pk=finding_id)
    if not settled.update(explanation=explanation.strip(), explained_by=who, explained_at=now):
        finding = Finding.objects.select_related("explained_by").get(pk=finding_id)
        message = _("%(who)s has already explained this finding.")
        raise ValidationError(message, "explained", {"who": str(finding.explained_by or _("Somebody"))})


def explain_others(finding_id: int, explanation: str, *, who: User | None, now: datetime) -> int:
    """Explain the other unreported outages of the service of a finding, too; return how many there were."""
    service = Finding.objects.filter(pk=finding_id).values("service")
    others = Finding.objects.open().filter(kind=FindingKind.UNREPORTED, service__in=service)
    return others.update(explanation=explanation.strip(), explained_by=who, explained_at=now)


def _outages(start: datetime, now: datetime, zone: tzinfo) -> Iterator[Outage]:
    """Yield the downtime of each service in order of time, as published; neighbouring intervals are one outage.

    An outage that began before the start is left out, as its beginning is not known here.
    """
    had_downtime = UptimeRecord.objects.filter(date__gte=day_of(start, zone), down_s__gt=0).values("service_id")
    for service in Service.objects.filter(pk__in=had_downtime).order_by("pk"):
        entries = ledger.read(service, start, now, now, zone).official.entries
        for began_at, ended_at in _joined((entry.start_at, entry.end_at) for entry in entries if entry.kind is DOWN):
            is_open = ended_at >= now - LEDGER_STEP
            if began_at > start:
                yield Outage(service_id=service.pk, start_at=began_at, end_at=None if is_open else ended_at)


def _joined(intervals: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Yield intervals in order, those that follow each other without a gap as one."""
    open_from = open_until = None
    for start, end in intervals:
        if open_from is not None and open_until is not None and start > open_until:
            yield open_from, open_until
            open_from = None
        open_from, open_until = open_from or start, end
    if open_from is not None and open_until is not None:
        yield open_from, open_until


def _told(start: datetime) -> list[Told]:
    """Return the incidents, without dismissed drafts, that began after an instant, or were open then. Two queries."""
    lasted = Q(resolved_at=None) | Q(resolved_at__gte=start)
    found = Incident.objects.filter(lasted, dismissed_at=None)
    rows = list(found.values_list("pk", "started_at", "resolved_at", "published_at"))
    named: dict[int, set[str]] = {pk: set() for pk, *_times in rows}
    for incident_id, service_id in AffectedService.objects.filter(incident__in=named).values_list(
        "incident_id", "service_id"
    ):
        named[incident_id].add(service_id)
    return [
        Told(
            incident_id=pk,
            service_ids=frozenset(named[pk]),
            start_at=started,
            end_at=resolved,
            is_draft=published is None,
        )
        for pk, started, resolved, published in rows
    ]


def _without_samples(differences: Iterable[Difference]) -> list[Difference]:
    """Leave out the outages of sample data, which nobody has to report. One query."""
    ends = {each.pk: each.sample_until for each in Service.objects.filter(metadata__has_key=SAMPLE_UNTIL)}
    return [each for each in differences if not _is_sample(each, ends.get(each.service_id or ""))]


def _is_short(difference: Difference, now: datetime) -> bool:
    """Return whether nobody has to report an outage; an incident of it is measured all the same."""
    if difference.kind != "unreported" or difference.measured_at is None:
        return False
    return (difference.measured_until or now) - difference.measured_at < SHORTEST


def _is_sample(difference: Difference, until: datetime | None) -> bool:
    return until is not None and difference.measured_at is not None and difference.measured_at < until


Key = tuple[str, str | None, int | None, datetime | None]


def _store(differences: list[Difference], start: datetime, now: datetime) -> None:
    found = {_key(each.kind, each.service_id, each.incident_id, each.measured_at): each for each in differences}
    stored = {_key(row.kind, row.service_id, row.incident_id, row.measured_at): row for row in Finding.objects.all()}
    gone = [row.pk for key, row in stored.items() if key not in found and row.explained_at is None]
    Finding.objects.filter(pk__in=gone).delete()
    for key, row in stored.items():
        if key in found and (row.told_at, row.measured_until) != (found[key].told_at, found[key].measured_until):
            Finding.objects.filter(pk=row.pk).update(
                told_at=found[key].told_at,
                measured_until=found[key].measured_until,
                measured_at=found[key].measured_at,
            )
    Finding.objects.bulk_create(
        Finding(
            kind=each.kind,
            service_id=each.service_id,
            incident_id=each.incident_id,
            measured_at=each.measured_at,
            measured_until=each.measured_until,
            told_at=each.told_at,
            found_at=now,
        )
        for key, each in found.items()
        if key not in stored
    )


def _key(kind: str, service_id: str | None, incident_id: int | None, measured_at: datetime | None) -> Key:
    """Return the identity of a finding: an outage is known by its start, another difference by its incident."""
    return kind, service_id, incident_id, measured_at if kind == "unreported" else None
