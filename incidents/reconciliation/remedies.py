"""The remedies for a finding. Each act checks the finding again under lock, so that it is done once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from incidents import reporting
from incidents.lifecycle import INVESTIGATING, RESOLVED, Course, begun
from incidents.models import AffectedService, Finding, FindingKind, Impact, Incident, IncidentUpdate
from incidents.outages import wording
from incidents.outages.urgency import urgency
from incidents.reconciliation.comparing import TOLERANCE, Outage, Told, meet
from monitoring.models import Service
from observability.events import Action, Subject, tell_when_committed

MOST_NEAR = 500  # incidents that are looked at for one page


def file_draft(finding_id: int, *, who: User, now: datetime) -> Incident:
    """Draft an incident with the measured times of an outage, and return it; a person publishes it."""
    with transaction.atomic():
        finding = _locked(finding_id, FindingKind.UNREPORTED)
        incident = _draft(finding, who, now)
        finding.delete()
        tell_when_committed(Subject.INCIDENT, Action.OPENED, [incident.pk], status="draft")
    return incident


def link(finding_id: int, incident_id: int, *, now: datetime) -> Incident:
    """Add the service of an outage to an incident of that time, and return the incident."""
    with transaction.atomic():
        finding = _locked(finding_id, FindingKind.UNREPORTED)
        incident = _incident(incident_id)
        if incident.dismissed_at is not None or not meet(_outage(finding), _told(incident)):
            message = _("“%(title)s” does not overlap this outage any more. Choose another incident.")
            raise ValidationError(message, "apart", {"title": incident.title})
        if not AffectedService.objects.filter(incident=incident, service=finding.service_id).exists():
            reporting.affect_more(incident, {str(finding.service_id): Impact.MAJOR})
        _settle(finding, incident, now)
    return incident


def take_over(finding_id: int, *, who: User, now: datetime) -> Incident:
    """Give an incident the start, or the end, that was measured, and return it."""
    with transaction.atomic():
        finding = _locked(finding_id, FindingKind.START, FindingKind.END)
        assert finding.incident_id is not None
        incident = _incident(finding.incident_id)
        is_start = finding.kind == FindingKind.START
        if finding.told_at != (incident.started_at if is_start else incident.resolved_at):
            raise ValidationError(
                _("The incident has been changed since. Press “Reconcile now” and look again."), "old"
            )
        reporting.follow(incident, _corrected(reporting.course_of(incident), finding), who)
        incident.save()
        _settle(finding, incident, now)
    return incident


def near(findings: Iterable[Finding], now: datetime) -> dict[int, list[Incident]]:
    """Return the incidents that overlap each unreported outage, newest first. One query, none without such outages."""
    outages = {each.pk: _outage(each) for each in findings if each.kind == FindingKind.UNREPORTED}
    if not outages:
        return {}
    start = min(each.start_at for each in outages.values()) - TOLERANCE
    end = max(each.end_at or now for each in outages.values()) + TOLERANCE
    lasted = Q(resolved_at=None) | Q(resolved_at__gt=start)
    found = Incident.objects.filter(lasted, dismissed_at=None, started_at__lt=end).order_by("-started_at")[:MOST_NEAR]
    told = [(incident, _told(incident)) for incident in found]
    return {pk: [incident for incident, times in told if meet(outage, times)] for pk, outage in outages.items()}


def _locked(finding_id: int, *kinds: FindingKind) -> Finding:
    """Return an open finding, locked. Raises ValidationError if it is explained, settled, or of another kind."""
    finding = Finding.objects.select_for_update().filter(pk=finding_id).first()
    if finding is None:
        raise ValidationError(_("Somebody has already settled this finding."), "settled")
    if finding.explained_at is not None:
        message = _("%(who)s has already explained this finding.")
        raise ValidationError(message, "explained", {"who": str(finding.explained_by or _("Somebody"))})
    if finding.kind not in kinds:
        raise ValidationError(_("This remedy is not for this kind of finding. Use the buttons of the page."), "kind")
    return finding


def _incident(incident_id: int) -> Incident:
    try:
        return reporting.locked(incident_id)
    except Incident.DoesNotExist as error:
        message = _("There is no incident %(id)s. Choose one from the list.")
        raise ValidationError(message, "incident", {"id": incident_id}) from error


def _draft(finding: Finding, who: User, now: datetime) -> Incident:
    """Store a draft with the update that publishing it would post."""
    service, start, end = finding.service, finding.measured_at, finding.measured_until
    assert service is not None and start is not None
    severity, priority = urgency(down=1, monitored=Service.objects.monitored().count(), is_critical=service.is_critical)
    subject, spell = wording.Subject(number=1, name=str(service)), wording.Spell(start=start, end=end)
    title, titles = wording.title(subject)
    incident = Incident(title=title, title_translations=titles, severity=severity, priority=priority, created_by=who)
    course = Course(status=RESOLVED if end else INVESTIGATING, started_at=start, resolved_at=end)
    reporting.follow(incident, course, who)
    incident.save()
    reporting.affect_more(incident, {service.pk: Impact.MAJOR})
    message, messages = (wording.whole if end else wording.opening)(subject, spell)
    IncidentUpdate.objects.create(
        incident=incident,
        status=course.status,
        message=message,
        message_translations=messages,
        is_proposed=True,
        created_at=now,
        metadata={"at": end.isoformat()} if end else {},
    )
    return incident


def _corrected(course: Course, finding: Finding) -> Course:
    measured = finding.measured_at
    assert measured is not None
    try:
        if finding.kind == FindingKind.START:
            return begun(course, measured)
        return begun(replace(course, resolved_at=measured), course.started_at)
    except ValueError as error:
        message = _(
            "With this time, the incident would be identified or end before it starts. Change the times on its page."
        )
        raise ValidationError(message, "order") from error


def _settle(finding: Finding, incident: Incident, now: datetime) -> None:
    finding.delete()
    tell_when_committed(Subject.INCIDENT, Action.UPDATED, [incident.pk])
    if incident.published_at is not None:
        reporting.publish(now)


def _outage(finding: Finding) -> Outage:
    assert finding.measured_at is not None
    return Outage(service_id=str(finding.service_id), start_at=finding.measured_at, end_at=finding.measured_until)


def _told(incident: Incident) -> Told:
    return Told(
        incident_id=incident.pk,
        service_ids=frozenset(),
        start_at=incident.started_at,
        end_at=incident.resolved_at,
        is_draft=incident.published_at is None,
    )
