"""An automatic incident during a run: what it is about, and what it proposes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from incidents.lifecycle import INVESTIGATING, RESOLVED
from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.outages import wording
from incidents.outages.joining import Circle, Failure, roots
from incidents.outages.urgency import urgency
from incidents.outages.watched import Watched
from incidents.outages.wording import Spell, Subject, Text
from monitoring.models.services import IncidentMode

PROPOSED = ("title", "severity", "priority", "started_at")


@dataclass(slots=True, kw_only=True, eq=False)
class Case:
    """An automatic incident with its followed rows, as a run changes them."""

    incident: Incident
    rows: list[AffectedService] = field(default_factory=list)
    proposal: IncidentUpdate | None = None
    is_told_by_people: bool = False  # a person posted an update, or changed the proposed one
    is_changed: bool = False
    relapsed_at: datetime | None = None  # in this run
    merged_into: "Case | None" = None  # in this run

    @property
    def is_new(self) -> bool:
        return self.incident._state.adding

    @property
    def is_open(self) -> bool:
        return self.incident.dismissed_at is None and self.incident.status != RESOLVED

    @property
    def is_draft(self) -> bool:
        return self.incident.published_at is None and self.incident.dismissed_at is None

    @property
    def is_untouched(self) -> bool:
        """Return whether the incident is as the monitor wrote it, and nobody takes care of it yet."""
        incident = self.incident
        proposed = incident.metadata.get("proposed") or {}
        is_as_proposed = all(_plain(getattr(incident, name)) == proposed.get(name) for name in PROPOSED)
        is_left_alone = incident.acknowledged_at is None and not self.is_told_by_people and not incident.description
        return self.is_new or (is_as_proposed and is_left_alone)

    @property
    def is_left_to_monitor(self) -> bool:
        """Return whether the monitor published the incident, and may close it without asking anybody."""
        return self.incident.published_by_id is None and not self.is_told_by_people and not self.is_only_stopped

    @property
    def is_over(self) -> bool:
        return all(row.recovered_at is not None for row in self.rows)

    @property
    def is_only_stopped(self) -> bool:
        """Return whether no service recovered: all were archived, paused or switched off."""
        return all(getattr(row, "stopped", None) for row in self.rows)

    def is_published_at_once(self, services: Mapping[str, Watched]) -> bool:
        return any(services[row.service_id].incident_mode == IncidentMode.PUBLISH for row in self.rows)

    def circle(self, ancestors: Mapping[str, Sequence[str]], services: Mapping[str, Watched]) -> Circle:
        metadata = self.incident.metadata
        return Circle(
            incident_id=self.incident.pk,
            failures=[
                Failure(
                    service_id=row.service_id,
                    failed_at=_known(row.failed_at),
                    recovered_at=row.recovered_at,
                    ancestors=ancestors.get(row.service_id, ()),
                    group=services[row.service_id].group_name,
                )
                for row in self.rows
            ],
            refused=metadata.get("taken_off", ()),
            is_storm=bool(metadata.get("is_storm")),
            is_untouched=self.is_untouched,
            is_draft=self.is_draft,
        )

    def describe(self, services: Mapping[str, Watched], ancestors: Mapping[str, Sequence[str]], monitored: int) -> None:
        """Write title, urgency and start of an incident that no person has changed."""
        incident = self.incident
        text = wording.title(self.subject(services, ancestors))
        incident.title, incident.title_translations = text
        incident.severity, incident.priority = urgency(
            down=len(self.rows),
            monitored=monitored,
            is_critical=any(services[row.service_id].is_critical for row in self.rows),
        )
        incident.started_at = min(_known(row.failed_at) for row in self.rows)
        incident.metadata["proposed"] = {name: _plain(getattr(incident, name)) for name in PROPOSED}

    def subject(self, services: Mapping[str, Watched], ancestors: Mapping[str, Sequence[str]]) -> Subject:
        """Return what the incident is about: services that are part of another one in it are not named."""
        ids = roots([row.service_id for row in self.rows], ancestors)
        groups = {services[id].group_name for id in ids}
        return Subject(number=len(ids), name=str(services[ids[0]]), group=groups.pop() if len(groups) == 1 else "")

    def wanted(self, subject: Subject) -> tuple[str, Text, dict[str, Any]] | None:
        """Return status, text and metadata of the update that the monitor proposes now; None: it proposes none."""
        incident = self.incident
        if incident.dismissed_at is not None:
            return None
        if self.is_open and not self.is_over:
            spell = Spell(start=incident.started_at)
            return (incident.status, wording.opening(subject, spell), {}) if self.is_draft else None
        if self.is_open:
            return self._closing(subject)
        if self.relapsed_at is not None and not self.is_over:
            return INVESTIGATING, wording.reopening(subject, self.relapsed_at), {"reopens": True}
        return None

    def relapsed(self, relapses: Sequence[datetime]) -> None:
        """Count outages of a service after its first one."""
        self.incident.metadata["relapses"] = int(self.incident.metadata.get("relapses", 0)) + len(relapses)
        self.relapsed_at = max([*relapses, *filter(None, [self.relapsed_at])])

    @property
    def keeps_proposal(self) -> bool:
        """Return whether the proposal stands: a person changed it, or it would reopen what is still down."""
        if self.proposal is None or self.incident.dismissed_at is not None:
            return False
        reopens = bool(self.proposal.metadata.get("reopens"))
        return self.proposal.created_by_id is not None or (reopens and not self.is_open and not self.is_over)

    def _closing(self, subject: Subject) -> tuple[str, Text, dict[str, Any]]:
        end = max(_known(row.recovered_at) for row in self.rows)
        relapses = int(self.incident.metadata.get("relapses", 0))
        spell = Spell(start=self.incident.started_at, end=max(end, self.incident.started_at), is_broken=relapses > 0)
        if self.is_only_stopped:
            text = wording.ended(subject)
        else:
            text = (wording.whole if self.is_draft else wording.closing)(subject, spell)
        return RESOLVED, text, {"at": end.isoformat()}


def _known(at: datetime | None) -> datetime:
    assert at is not None, "a constraint holds it: a followed outage has a beginning"
    return at


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
