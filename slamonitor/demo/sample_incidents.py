"""The incidents of the demonstration, with updates that fit its sample outages, in the language of the installation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from incidents.models import AffectedService, Impact, Incident, IncidentStatus, IncidentUpdate, Priority, Severity
from slamonitor.demo.outages import lasting_outages
from slamonitor.demo.past import Past
from slamonitor.demo.storing import SAMPLE

INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = IncidentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleUpdate:
    """An update of an incident, written `after` its beginning; a resolving one, after its end."""

    after: timedelta
    status: IncidentStatus
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleIncident:
    """An incident and its updates."""

    title: str
    service_id: str
    impact: Impact
    severity: Severity
    priority: Priority
    began_at: datetime
    ended_at: datetime | None  # None: not resolved yet
    updates: Sequence[SampleUpdate]
    root_cause: str = ""
    resolution: str = ""


def add(pasts: Mapping[str, Past], reporter: User | None, now: datetime) -> int:
    """Add the sample incidents and return their number. Must run in a transaction."""
    with translation.override(settings.LANGUAGE_CODE):
        incidents = list(_incidents(pasts, now))
    for sample in incidents:
        _write(sample, reporter)
    return len(incidents)


def _incidents(pasts: Mapping[str, Past], now: datetime) -> Iterator[SampleIncident]:
    down = lasting_outages(pasts["curp-verifier"], now)
    for (began_at, ended_at), sample in zip(down, (_unanswered, _unavailable), strict=False):
        yield sample(began_at, ended_at)
    yield _flapping(now - timedelta(hours=5, minutes=20))
    yield _maintenance(now - timedelta(days=9, hours=3))


def _unanswered(began_at: datetime, ended_at: datetime) -> SampleIncident:
    return SampleIncident(
        title=_("CURP verification does not respond"),
        service_id="curp-verifier",
        impact=Impact.MAJOR,
        severity=Severity.HIGH,
        priority=Priority.P2,
        began_at=began_at,
        ended_at=ended_at,
        updates=[
            SampleUpdate(
                after=timedelta(minutes=4),
                status=INVESTIGATING,
                message=_("CURP verifications are not completed at the moment. We are looking into it."),
            ),
            SampleUpdate(
                after=timedelta(minutes=11),
                status=IDENTIFIED,
                message=_("The registry that we ask does not answer. We are in touch with its operators."),
            ),
            SampleUpdate(
                after=timedelta(minutes=3),
                status=RESOLVED,
                message=_("The registry answers again, and verifications are completed as usual. We are sorry."),
            ),
        ],
        root_cause=_("The national registry did not answer."),
        resolution=_("It came back by itself; requests that waited were repeated."),
    )


def _unavailable(began_at: datetime, ended_at: datetime) -> SampleIncident:
    return SampleIncident(
        title=_("CURP verification is unavailable"),
        service_id="curp-verifier",
        impact=Impact.MAJOR,
        severity=Severity.HIGH,
        priority=Priority.P2,
        began_at=began_at,
        ended_at=ended_at,
        updates=[
            SampleUpdate(
                after=timedelta(minutes=5),
                status=INVESTIGATING,
                message=_("CURP verifications fail at the moment. We are looking into it."),
            ),
            SampleUpdate(
                after=timedelta(minutes=2),
                status=RESOLVED,
                message=_(
                    "Verifications are completed as usual again. An update of ours had gone wrong and was undone."
                ),
            ),
        ],
        root_cause=_("An update started without its configuration."),
        resolution=_("The update was undone."),
    )


def _flapping(began_at: datetime) -> SampleIncident:
    return SampleIncident(
        title=_("Face comparison fails now and then"),
        service_id="face-compare",
        impact=Impact.PARTIAL,
        severity=Severity.MEDIUM,
        priority=Priority.P3,
        began_at=began_at,
        ended_at=None,
        updates=[
            SampleUpdate(
                after=timedelta(minutes=9),
                status=INVESTIGATING,
                message=_("A few comparisons fail, for some seconds each time. Trying again helps."),
            ),
            SampleUpdate(
                after=timedelta(minutes=52),
                status=IDENTIFIED,
                message=_("One of our servers drops connections now and then. We are replacing it."),
            ),
            SampleUpdate(
                after=timedelta(hours=3, minutes=10),
                status=MONITORING,
                message=_("The server is replaced. We keep watching until it has been quiet for a day."),
            ),
        ],
    )


def _maintenance(began_at: datetime) -> SampleIncident:
    return SampleIncident(
        title=_("Planned maintenance of ID recognition"),
        service_id="id-recognition",
        impact=Impact.DEGRADED,
        severity=Severity.LOW,
        priority=Priority.P4,
        began_at=began_at,
        ended_at=began_at + timedelta(minutes=45),
        updates=[
            SampleUpdate(
                after=timedelta(0),
                status=MONITORING,
                message=_("We are moving to new servers, as announced. Recognition goes on meanwhile."),
            ),
            SampleUpdate(
                after=timedelta(minutes=1), status=RESOLVED, message=_("The move is done. Nothing was interrupted.")
            ),
        ],
    )


def _write(sample: SampleIncident, reporter: User | None) -> None:
    status = sample.updates[-1].status
    identified = [sample.began_at + update.after for update in sample.updates if update.status == IDENTIFIED]
    lasted = sample.ended_at - sample.began_at if sample.ended_at else None
    incident = Incident.objects.create(
        title=sample.title,
        description=sample.updates[0].message,
        status=status,
        severity=sample.severity,
        priority=sample.priority,
        started_at=sample.began_at,
        identified_at=identified[0] if identified else None,
        resolved_at=sample.ended_at,
        duration_minutes=lasted // timedelta(minutes=1) if lasted else None,
        root_cause=sample.root_cause,
        resolution_notes=sample.resolution,
        created_by=reporter,
        published_at=sample.began_at + sample.updates[0].after,
        published_by=reporter,
        first_update_at=sample.began_at + sample.updates[0].after,
        resolved_by=reporter if sample.ended_at else None,
        metadata=SAMPLE,
    )
    AffectedService.objects.create(incident=incident, service_id=sample.service_id, impact=sample.impact)
    IncidentUpdate.objects.bulk_create(
        IncidentUpdate(
            incident=incident,
            status=update.status,
            message=update.message,
            created_by=reporter,
            created_at=_since(sample, update) + update.after,
            published_at=_since(sample, update) + update.after,
            metadata=SAMPLE,
        )
        for update in sample.updates
    )


def _since(sample: SampleIncident, update: SampleUpdate) -> datetime:
    return sample.ended_at if update.status == RESOLVED and sample.ended_at else sample.began_at
