"""The incidents of the demonstration, with updates that fit its sample outages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import User
from incidents.models import AffectedService, Impact, Incident, IncidentStatus, IncidentUpdate, Priority, Severity
from slamonitor.demo.outages import lasting_outages
from slamonitor.demo.past import Past
from slamonitor.demo.storing import SAMPLE

INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = IncidentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One update: how long after the beginning (or, when resolving, after the end) it was written."""

    after: timedelta
    status: IncidentStatus
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An incident as it was told."""

    title: str
    service_id: str
    impact: Impact
    severity: Severity
    priority: Priority
    began_at: datetime
    ended_at: datetime | None  # None: still watched
    lines: Sequence[Line]
    root_cause: str = ""
    resolution: str = ""


def tell(pasts: Mapping[str, Past], reporter: User | None, now: datetime) -> int:
    """Write the stories down, and return how many. In the caller's transaction."""
    stories = list(_stories(pasts, now))
    for story in stories:
        _write(story, reporter)
    return len(stories)


def _stories(pasts: Mapping[str, Past], now: datetime) -> Iterator[Story]:
    down = lasting_outages(pasts["curp-verifier"], now)
    for (began_at, ended_at), story in zip(down, (_unanswered, _unavailable), strict=False):
        yield story(began_at, ended_at)
    yield _flapping(now - timedelta(hours=5, minutes=20))
    yield _maintenance(now - timedelta(days=9, hours=3))


def _unanswered(began_at: datetime, ended_at: datetime) -> Story:
    return Story(
        title="CURP verification does not respond",
        service_id="curp-verifier",
        impact=Impact.MAJOR,
        severity=Severity.HIGH,
        priority=Priority.P2,
        began_at=began_at,
        ended_at=ended_at,
        lines=[
            Line(
                after=timedelta(minutes=4),
                status=INVESTIGATING,
                message="CURP verifications are not completed at the moment. We are looking into it.",
            ),
            Line(
                after=timedelta(minutes=11),
                status=IDENTIFIED,
                message="The registry that we ask does not answer. We are in touch with its operators.",
            ),
            Line(
                after=timedelta(minutes=3),
                status=RESOLVED,
                message="The registry answers again, and verifications are completed as usual. We are sorry.",
            ),
        ],
        root_cause="The national registry did not answer.",
        resolution="It came back by itself; requests that waited were repeated.",
    )


def _unavailable(began_at: datetime, ended_at: datetime) -> Story:
    return Story(
        title="CURP verification is unavailable",
        service_id="curp-verifier",
        impact=Impact.MAJOR,
        severity=Severity.HIGH,
        priority=Priority.P2,
        began_at=began_at,
        ended_at=ended_at,
        lines=[
            Line(
                after=timedelta(minutes=5),
                status=INVESTIGATING,
                message="CURP verifications fail at the moment. We are looking into it.",
            ),
            Line(
                after=timedelta(minutes=2),
                status=RESOLVED,
                message="Verifications are completed as usual again. An update of ours had gone wrong and was undone.",
            ),
        ],
        root_cause="An update started without its configuration.",
        resolution="The update was undone.",
    )


def _flapping(began_at: datetime) -> Story:
    return Story(
        title="Face comparison fails now and then",
        service_id="face-compare",
        impact=Impact.PARTIAL,
        severity=Severity.MEDIUM,
        priority=Priority.P3,
        began_at=began_at,
        ended_at=None,
        lines=[
            Line(
                after=timedelta(minutes=9),
                status=INVESTIGATING,
                message="A few comparisons fail, for some seconds each time. Trying again helps.",
            ),
            Line(
                after=timedelta(minutes=52),
                status=IDENTIFIED,
                message="One of our servers drops connections now and then. We are replacing it.",
            ),
            Line(
                after=timedelta(hours=3, minutes=10),
                status=MONITORING,
                message="The server is replaced. We keep watching until it has been quiet for a day.",
            ),
        ],
    )


def _maintenance(began_at: datetime) -> Story:
    return Story(
        title="Planned maintenance of ID recognition",
        service_id="id-recognition",
        impact=Impact.DEGRADED,
        severity=Severity.LOW,
        priority=Priority.P4,
        began_at=began_at,
        ended_at=began_at + timedelta(minutes=45),
        lines=[
            Line(
                after=timedelta(0),
                status=MONITORING,
                message="We are moving to new servers, as announced. Recognition goes on meanwhile.",
            ),
            Line(after=timedelta(minutes=1), status=RESOLVED, message="The move is done. Nothing was interrupted."),
        ],
    )


def _write(story: Story, reporter: User | None) -> None:
    status = story.lines[-1].status
    identified = [story.began_at + line.after for line in story.lines if line.status == IDENTIFIED]
    lasted = story.ended_at - story.began_at if story.ended_at else None
    incident = Incident.objects.create(
        title=story.title,
        description=story.lines[0].message,
        status=status,
        severity=story.severity,
        priority=story.priority,
        started_at=story.began_at,
        identified_at=identified[0] if identified else None,
        resolved_at=story.ended_at,
        duration_minutes=lasted // timedelta(minutes=1) if lasted else None,
        root_cause=story.root_cause,
        resolution_notes=story.resolution,
        created_by=reporter,
        resolved_by=reporter if story.ended_at else None,
        metadata=SAMPLE,
    )
    AffectedService.objects.create(incident=incident, service_id=story.service_id, impact=story.impact)
    IncidentUpdate.objects.bulk_create(
        IncidentUpdate(
            incident=incident,
            status=line.status,
            message=line.message,
            created_by=reporter,
            created_at=_since(story, line) + line.after,
            metadata=SAMPLE,
        )
        for line in story.lines
    )


def _since(story: Story, line: Line) -> datetime:
    return story.ended_at if line.status == RESOLVED and story.ended_at else story.began_at
