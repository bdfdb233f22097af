"""Draft an incident for each confirmed outage, and follow it until it is over and the incident resolved.

A run compares the outages in the transitions with the incidents, and makes these agree; it may be repeated, and killed
at any point. Runs take turns. The number of queries does not depend on the number of services; each incident
that the monitor itself publishes or closes takes a few more.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from database.locks import try_lock_in_transaction
from incidents.lifecycle import RESOLVED
from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.outages.cases import Case
from incidents.outages.filing import Filing, Followed
from incidents.outages.tracking import UP, Track, found, has_lasted
from incidents.outages.watched import Watched, watched
from monitoring.models import Service, Transition, TransitionClaim
from monitoring.rules.state import Status
from monitoring.states.transitions import claimed

CONSUMER = "incidents"
MOST_TRANSITIONS = 5_000  # of one run


def follow(now: datetime, *, is_for_transitions: bool = False) -> bool:
    """Make the incidents agree with the outages, and return whether there are transitions left for another run.

    `is_for_transitions`: do nothing if others have handled them already. Returns False if another process is at it;
    that one will look for ours when it is done.
    """
    with transaction.atomic():
        if not try_lock_in_transaction("incidents of outages"):
            return False
        with claimed(CONSUMER, now, MOST_TRANSITIONS) as transitions:
            if transitions or not is_for_transitions:
                _Run(transitions, now).work()
    return TransitionClaim.objects.filter(consumer=CONSUMER, done_at=None).exists()


@dataclass(slots=True)
class _Run:
    transitions: Sequence[Transition]
    now: datetime
    rows: dict[str, AffectedService] = field(default_factory=dict)  # followed, by service
    proposing: set[int] = field(default_factory=set)  # incidents with a proposed update
    services: dict[str, Watched] = field(default_factory=dict)
    cases: dict[int, Case] = field(default_factory=dict)
    tracks: dict[str, Track] = field(default_factory=dict)  # of the followed rows, as this run leaves them
    new: dict[str, Track] = field(default_factory=dict)  # outages without an incident
    released: set[str] = field(default_factory=set)  # services of rows that are followed no longer
    stopped: dict[str, str] = field(default_factory=dict)  # why the outage counts as over, by service

    def work(self) -> None:
        if not self.transitions:
            self._read(is_locked=False)
            if not self._has_news():
                return
        self._read(is_locked=True)
        self._take_transitions()
        self._take_statuses()
        self._release()
        self._file()

    def _read(self, *, is_locked: bool) -> None:
        """Read the followed rows and their services; locked, no person changes their incidents until the end."""
        followed = AffectedService.objects.filter(is_followed=True)
        incidents = Incident.objects.filter(pk__in=followed.values("incident")).order_by("pk")
        by_id = {each.pk: each for each in (incidents.select_for_update(no_key=True) if is_locked else incidents)}
        rows = followed.filter(incident__in=by_id).defer("evidence").annotate(stopped=F("evidence__stopped"))
        self.rows = {row.service_id: row for row in rows}
        self.tracks = {
            id: Track(failed_at=_known(row.failed_at), recovered_at=row.recovered_at) for id, row in self.rows.items()
        }
        self.cases = {}
        for row in self.rows.values():
            self.cases.setdefault(row.incident_id, Case(incident=by_id[row.incident_id])).rows.append(row)
        self.services = watched({*self.rows, *(each.service_id for each in self.transitions)})
        proposed = IncidentUpdate.objects.filter(is_proposed=True, incident__in=self.cases)
        self.proposing = set(proposed.values_list("incident_id", flat=True)) if self.cases else set()

    def _has_news(self) -> bool:
        """Return whether there is something to do without any new transition."""
        changes = (self._reason_to_stop(id) or self._disagrees(id) or self._may_release(id) for id in self.rows)
        return any(changes) or bool(self._unfollowed()) or any(map(self._lacks_closing, self.cases.values()))

    def _lacks_closing(self, case: Case) -> bool:
        """Return whether a public incident is over without any word of it, as after a late publication."""
        is_public = case.is_open and not case.is_draft
        return is_public and case.is_over and case.incident.pk not in self.proposing

    def _take_transitions(self) -> None:
        by_service: defaultdict[str, list[Transition]] = defaultdict(list)
        for each in self.transitions:
            by_service[each.service_id].append(each)
        begun = self._begun(by_service)
        for id, changes in by_service.items():
            rest = self._continue(id, changes) if id in self.rows else changes
            if rest and id in begun:
                rest = [begun[id], *rest]
            if rest and not self._off(id) and (track := found(rest, least=_least(), now=self.now)):
                self.new[id] = track

    def _continue(self, id: str, changes: Sequence[Transition]) -> Sequence[Transition]:
        """Follow transitions of a followed service, and return the rest if an outage among them is a new one."""
        for index, change in enumerate(changes):
            if change.to_status == Status.DOWN and self._is_done(id, change.edge_end_at):
                self.released.add(id)
                return changes[index:]
            self.tracks[id].take(change)
        return ()

    def _begun(self, by_service: Mapping[str, Sequence[Transition]]) -> dict[str, Transition]:
        """Return the beginning of outages that were too short for an incident when it was handled. One query."""
        ends = {
            id: changes[0]
            for id, changes in by_service.items()
            if id not in self.rows and changes[0].to_status in UP and changes[0].from_status != Status.OPERATIONAL
        }
        if not ends or not _least():
            return {}
        handled = ~Q(pk__in=[each.pk for each in self.transitions])
        found = _newest_changes(ends, handled)
        return {id: each for id, each in found.items() if each.to_status == Status.DOWN and each.pk < ends[id].pk}

    def _take_statuses(self) -> None:
        """Take what no claimed transition told: outages that have now lasted long enough, and lost claims."""
        unfollowed = self._unfollowed()
        differing = [id for id in self.rows if id not in self.released and self._disagrees(id)]
        if unfollowed or differing:
            newest = _newest_changes([*unfollowed, *differing], Q())
            for id in differing:
                if id in newest and _is_down(newest[id].to_status) == _is_down(self.services[id].status):
                    self._continue(id, [newest[id]])
            for id in (id for id in [*unfollowed, *differing] if id not in self.rows or id in self.released):
                change = newest.get(id)
                if change and change.to_status == Status.DOWN and self._has_lasted(change):
                    self.new[id] = Track.begun(change)
        for id in self.rows:
            if (why := self._reason_to_stop(id)) and id not in self.released:
                self.stopped[id] = why
                self.tracks[id].recovered_at = max([self.now, self.tracks[id].failed_at, *self.tracks[id].relapses])

    def _has_lasted(self, change: Transition) -> bool:
        return has_lasted(change.edge_end_at, least=_least(), now=self.now)

    def _unfollowed(self) -> list[str]:
        """Return the services that are down, and have neither an incident that follows them nor a new outage."""
        return [
            id
            for id, service in self.services.items()
            if _is_down(service.status)
            and (id not in self.rows or id in self.released)
            and id not in self.new
            and not self._off(id)
        ]

    def _disagrees(self, id: str) -> bool:
        """Return whether the status of a service is another one than its followed outage has."""
        if self._off(id):
            return False
        is_over, status = self.tracks[id].recovered_at is not None, self.services[id].status
        return _is_down(status) if is_over else status in UP

    def _off(self, id: str) -> str:
        return self.services[id].reason_to_stop

    def _reason_to_stop(self, id: str) -> str:
        return self._off(id) if self.tracks[id].recovered_at is None else ""

    def _is_done(self, id: str, at: datetime) -> bool:
        """Return whether an outage at this instant would belong to another incident than the last one."""
        recovered_at, incident = self.tracks[id].recovered_at, self.cases[self.rows[id].incident_id].incident
        if recovered_at is None:
            return False
        if incident.dismissed_at is not None:
            return True
        if incident.status != RESOLVED:
            return False
        return at >= max(_known(incident.resolved_at), recovered_at) + _reopening_time()

    def _may_release(self, id: str) -> bool:
        return id not in self.released and self._is_done(id, self.now)

    def _release(self) -> None:
        self.released |= {id for id in self.rows if self._may_release(id)}

    def _file(self) -> None:
        """Write how the outages went on, and file the new ones."""
        followed = []
        for id, row in self.rows.items():
            track, case = self.tracks[id], self.cases[row.incident_id]
            is_news = row.recovered_at != track.recovered_at or bool(track.relapses)
            row.recovered_at, row.is_followed = track.recovered_at, id not in self.released
            if id in self.stopped:
                row.stopped = {"at": self.now.isoformat(), "why": self.stopped[id]}  # type: ignore[attr-defined]
            elif track.relapses:
                row.stopped = None  # type: ignore[attr-defined]
                case.relapsed(track.relapses)
            case.is_changed |= is_news
            if is_news or not row.is_followed:
                followed.append(Followed(row=row, relapses=track.relapses))
        for case in self.cases.values():
            case.is_changed |= self._lacks_closing(case)
        Filing(cases=self.cases, services=self.services, new=self.new, followed=followed, now=self.now).file()


def _newest_changes(service_ids: Collection[str], also: Q) -> dict[str, Transition]:
    """Return the newest transition of each service to a status with data. One query."""
    with_data = Transition.objects.filter(~Q(to_status=Status.UNKNOWN), also, service=OuterRef("pk"))
    newest = with_data.order_by("-edge_end_at", "-pk").values("pk")[:1]
    ids = Service.objects.filter(pk__in=service_ids).annotate(newest=Subquery(newest)).values("newest")
    return {each.service_id: each for each in Transition.objects.filter(pk__in=ids)}


def _is_down(status: str) -> bool:
    return status == Status.DOWN


def _least() -> timedelta:
    return timedelta(seconds=settings.INCIDENT_DRAFT_AFTER_SECONDS)


def _reopening_time() -> timedelta:
    return timedelta(minutes=settings.INCIDENT_REOPEN_MINUTES)


def _known(at: datetime | None) -> datetime:
    assert at is not None, "a constraint of the database holds it"
    return at
