"""Write what a run found: new incidents and their evidence, how outages went on, and what the monitor proposes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from json import dumps

from django.db import connection

from database.bulk import array
from database.sql import statement
from incidents import reporting
from incidents.lifecycle import RESOLVED
from incidents.models import AffectedService, Impact, Incident, IncidentUpdate
from incidents.outages import evidence
from incidents.outages.cases import PROPOSED, Case
from incidents.outages.joining import Circle, Failure, join
from incidents.outages.tracking import Track
from incidents.outages.watched import Watched
from monitoring.models import Service, Transition
from observability.events import Action, Subject, tell_when_committed


@dataclass(slots=True, kw_only=True)
class Followed:
    """A stored row that changed, and the new outages of its service."""

    row: AffectedService
    relapses: Sequence[datetime] = ()


@dataclass(kw_only=True)
class Filing:
    cases: Mapping[int, Case]  # the stored incidents
    services: Mapping[str, Watched]
    new: Mapping[str, Track]  # outages without an incident
    followed: list[Followed]
    now: datetime
    is_public: bool = False  # something changed that customers see
    _moved: dict[str, int] = field(default_factory=dict)  # the former incident of rows, by service
    _all: list[Case] = field(default_factory=list)  # the stored incidents and the new ones

    def file(self) -> None:
        if not self.new and not self.followed and not any(case.is_changed for case in self.cases.values()):
            return
        self._read_updates()
        joined = self._join() if self.new else []
        self._describe()
        added = self._with_evidence(joined)
        self._save_incidents(joined)
        self._save_followed()
        for case in self._changed:
            for row in case.rows:
                row.incident = case.incident
        self._save_new(added)
        self._save_proposals()
        for case in self._changed:
            self._act(case)
        if self.is_public:
            reporting.publish(self.now)

    @cached_property
    def _ancestors(self) -> Mapping[str, Sequence[str]]:
        followed = (row.service_id for case in self.cases.values() for row in case.rows)
        return evidence.ancestors_of([*followed, *self.new])

    @property
    def _changed(self) -> list[Case]:
        return [case for case in self._all if case.is_changed]

    def _read_updates(self) -> None:
        """Read the proposed updates, and which incidents have updates by people. One query."""
        self._all = list(self.cases.values())
        if self.cases:
            for update in IncidentUpdate.objects.filter(incident__in=self.cases):
                case = self.cases[update.incident_id]
                case.is_told_by_people |= update.created_by_id is not None
                if update.is_proposed:
                    update.incident, case.proposal = case.incident, update

    def _join(self) -> list[tuple[Circle, Case]]:
        """Let each new outage join an incident, and return those that gained outages or were merged."""
        stored = [case.circle(self._ancestors, self.services) for case in self._all if case.is_open]
        found = join((self._failure(id, track) for id, track in self.new.items()), stored)
        by_circle = {id(circle): self._case(circle) for circle in found}
        for circle in found:
            case = by_circle[id(circle)]
            case.is_changed = True
            if circle.is_storm:
                case.incident.metadata["is_storm"] = True
            for failure in circle.joined:
                self._add(failure, case)
        for circle in found:
            if circle.merged_into is not None:
                self._merge(by_circle[id(circle)], by_circle[id(circle.merged_into)])
        return [(circle, by_circle[id(circle)]) for circle in found if circle.joined]

    def _failure(self, id: str, track: Track) -> Failure:
        return Failure(
            service_id=id,
            failed_at=track.failed_at,
            recovered_at=track.recovered_at,
            ancestors=self._ancestors.get(id, ()),
            group=self.services[id].group_name,
        )

    def _case(self, circle: Circle) -> Case:
        if circle.incident_id is not None:
            return self.cases[circle.incident_id]
        case = Case(incident=Incident(is_automatic=True, started_at=circle.joined[0].failed_at))
        self._all.append(case)
        return case

    def _add(self, failure: Failure, case: Case) -> None:
        track, incident = self.new[failure.service_id], case.incident
        row = AffectedService(service_id=failure.service_id, impact=Impact.MAJOR, is_followed=True)
        row.failed_at, row.recovered_at = track.failed_at, track.recovered_at
        case.rows.append(row)
        if track.relapses:
            case.relapsed(track.relapses)
        assert isinstance(track.confirmed, Transition)
        incident.detected_at = min(track.confirmed.created_at, incident.detected_at or track.confirmed.created_at)

    def _merge(self, case: Case, into: Case) -> None:
        followed = {each.row.service_id for each in self.followed}
        for row in case.rows:
            self._moved[row.service_id] = row.incident_id
            if row.service_id not in followed:
                self.followed.append(Followed(row=row))
        into.rows += case.rows
        into.is_changed = True
        case.rows, case.merged_into = [], into
        case.incident.dismissed_at = self.now

    def _with_evidence(self, joined: Iterable[tuple[Circle, Case]]) -> list[AffectedService]:
        """Return the rows of the new outages, with their evidence."""
        if not self.new:
            return []
        gathered = evidence.gather(self.new, self.services, [circle for circle, _case in joined], self.now)
        rows = [row for _circle, case in joined for row in case.rows if row._state.adding]
        for row in rows:
            relapses = [at.isoformat() for at in self.new[row.service_id].relapses]
            row.evidence = {**gathered[row.service_id], **({"relapses": relapses} if relapses else {})}
        return rows

    def _describe(self) -> None:
        monitored = Service.objects.monitored().count() if self.new else 0
        for case in self._changed:
            case.rows = [row for row in case.rows if row.is_followed]
        for case in self._changed if self.new else ():
            if case.is_open and case.rows and case.is_untouched:
                before = case.incident.title
                case.describe(self.services, self._ancestors, monitored)
                self.is_public |= not case.is_draft and case.incident.title != before

    def _save_incidents(self, joined: Iterable[tuple[Circle, Case]]) -> None:
        new = [case for case in self._all if case.is_new]
        Incident.objects.bulk_create([case.incident for case in new])
        tell_when_committed(Subject.INCIDENT, Action.OPENED, [case.incident.pk for case in new], status="draft")
        merged = [case for case in self._all if case.merged_into is not None]
        for case in merged:
            assert case.merged_into is not None
            case.incident.metadata["merged_into"] = case.merged_into.incident.pk
        tell_when_committed(Subject.INCIDENT, Action.CANCELLED, [case.incident.pk for case in merged], what="merged")
        stored = [case.incident for case in self._changed if case not in new]
        for incident in stored:
            incident.updated_at = self.now
        if stored:
            columns = [*PROPOSED, "title_translations", "detected_at", "dismissed_at", "metadata", "updated_at"]
            Incident.objects.bulk_update(stored, columns)
        self.is_public |= any(case.incident.published_at is not None for _circle, case in joined)

    def _save_followed(self) -> None:
        """Write the rows that were stored before; those of merged drafts move. Two queries at most."""
        if not self.followed:
            return
        target = {row.service_id: case.incident.pk for case in self._all for row in case.rows}
        rows = [each.row for each in self.followed]
        if self._moved:
            taken = {target[id] for id in self._moved}
            AffectedService.objects.filter(incident__in=taken, service__in=self._moved, is_followed=False).delete()
        stops = [getattr(row, "stopped", None) for row in rows]
        values = {
            "incident_ids": array(self._moved.get(row.service_id, row.incident_id) for row in rows),
            "service_ids": array(row.service_id for row in rows),
            "to_incident_ids": array(
                target[row.service_id] if row.service_id in self._moved else row.incident_id for row in rows
            ),
            "are_followed": array(row.is_followed for row in rows),
            "recoveries": array(row.recovered_at for row in rows),
            "stops": array(stop and dumps(stop) for stop in stops),
            "relapses": array(
                dumps([at.isoformat() for at in each.relapses]) if each.relapses else None for each in self.followed
            ),
        }
        with connection.cursor() as cursor:
            cursor.execute(statement("incidents", "save_followed"), values)

    def _save_new(self, rows: Sequence[AffectedService]) -> None:
        """Store the new rows. One query; `bulk_create` takes several times as long to write the evidence."""
        if not rows:
            return
        values = {
            "incident_ids": array(row.incident_id for row in rows),
            "service_ids": array(row.service_id for row in rows),
            "failures": array(row.failed_at for row in rows),
            "recoveries": array(row.recovered_at for row in rows),
            "evidence": array(dumps(row.evidence) for row in rows),
        }
        with connection.cursor() as cursor:
            cursor.execute(statement("incidents", "save_new_followed"), values)

    def _save_proposals(self) -> None:
        """Make the proposed updates what the incidents should say now. Three queries at most."""
        made: list[IncidentUpdate] = []
        rewritten: list[IncidentUpdate] = []
        withdrawn: list[int] = []
        for case in self._changed:
            wanted = case.wanted(case.subject(self.services, self._ancestors)) if case.rows else None
            if case.keeps_proposal:
                continue
            if wanted is None:
                withdrawn += [case.proposal.pk] if case.proposal else []
                case.proposal = None
                continue
            proposal = case.proposal or IncidentUpdate(incident=case.incident, is_proposed=True)
            (made if case.proposal is None else rewritten).append(proposal)
            proposal.status, (proposal.message, proposal.message_translations), proposal.metadata = wanted
            proposal.created_at, case.proposal = self.now, proposal
        if withdrawn:
            IncidentUpdate.objects.filter(pk__in=withdrawn).delete()
        if rewritten:
            columns = ["status", "message", "message_translations", "metadata", "created_at"]
            IncidentUpdate.objects.bulk_update(rewritten, columns)
        IncidentUpdate.objects.bulk_create(made)

    def _act(self, case: Case) -> None:
        """Publish, close or reopen an incident of services in the mode `publish`."""
        incident, proposal = case.incident, case.proposal
        if not case.rows or not case.is_published_at_once(self.services):
            return
        if case.is_draft and case.is_untouched:
            reporting.publish_incident(incident, who=None, now=self.now)
        elif proposal is None or incident.published_at is None or proposal.created_by_id is not None:
            return
        elif proposal.metadata.get("reopens"):
            reporting.post(proposal, who=None, now=self.now, reopens=True)
        elif proposal.status == RESOLVED and case.is_left_to_monitor:
            reporting.post(proposal, who=None, now=self.now)
        else:
            return
        self.is_public = True
