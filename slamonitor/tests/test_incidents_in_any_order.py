"""In any order of events, a service has one open automatic incident at most, and no outage is lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from incidents import reporting, system_status
from incidents.lifecycle import ORDER
from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.outages import following
from incidents.outages.tests.outages import at, change
from monitoring.models import Service, Transition, TransitionClaim
from monitoring.tests.factories import make_service
from statuspage import readmodel

IDS = ("platform", "api", "card", "bank", "lone")
LEAST = timedelta(seconds=30)


class Desk(RuleBasedStateMachine):
    """Five services with a parent and a group; transitions, people, runs and killed runs come in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        make_service("platform")
        make_service("api", parent_id="platform")
        make_service("card", group_name="Shop")
        make_service("bank", group_name="Shop", incident_mode="publish")
        make_service("lone")
        self.now_s = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @rule(
        id=st.sampled_from(IDS), status=st.sampled_from(["mo", "o", "po", "nd"]), after_s=st.sampled_from([1, 20, 200])
    )
    def turn(self, id: str, status: str, after_s: int) -> None:
        self.now_s += after_s
        change(status, id, seconds=self.now_s)

    @rule(id=st.sampled_from(IDS), mode=st.sampled_from(["draft", "publish", "off"]), is_active=st.booleans())
    def switch(self, id: str, mode: str, is_active: bool) -> None:
        Service.objects.filter(pk=id).update(incident_mode=mode, is_active=is_active)

    @rule(seconds=st.sampled_from([5, 60, 2000]))
    def run(self, seconds: int) -> None:
        self.now_s += seconds
        while following.follow(at(self.now_s)):
            pass

    @rule()
    def set_clock_back(self) -> None:
        self.now_s = max(0, self.now_s - 300)

    @rule()
    def kill_a_run(self) -> None:
        before = self._stored()
        with transaction.atomic():
            following.follow(at(self.now_s))
            transaction.set_rollback(True)
        assert self._stored() == before

    @rule()
    def lose_claims(self) -> None:
        newest = Transition.objects.order_by("-pk").first()
        if newest is not None and newest.service.status == newest.to_status:
            TransitionClaim.objects.filter(transition=newest).delete()

    @precondition(lambda self: Incident.objects.exists())
    @rule(
        place=st.integers(0, 3),
        act=st.sampled_from(["publish", "dismiss", "acknowledge", "edit", "take off", "proposal", *ORDER]),
        reopens=st.booleans(),
    )
    def decide(self, place: int, act: str, reopens: bool) -> None:
        ids = list(Incident.objects.order_by("-pk").values_list("pk", flat=True)[:4])
        try:
            with transaction.atomic():
                self._act(reporting.locked(ids[place % len(ids)]), act, reopens)
        except ValidationError:
            pass  # the person is told

    def _act(self, incident: Incident, act: str, reopens: bool) -> None:
        now: Any = at(self.now_s)
        if act == "publish":
            reporting.publish_incident(incident, who=None, now=now)
        elif act == "dismiss":
            reporting.dismiss(incident, who=None, now=now)
        elif act == "acknowledge":
            reporting.acknowledge(incident, who=None, now=now)
            incident.save()
        elif act == "edit":
            Incident.objects.filter(pk=incident.pk).update(title="In a person's words")
        elif act == "take off":
            kept = dict(reporting.touched(incident)[1:])
            reporting.affect(incident, kept)
        elif act == "proposal":
            if (said := reporting.proposal_of(incident)) and incident.published_at:
                reporting.post(said, who=None, now=now, reopens=bool(said.metadata.get("reopens")))
        elif incident.dismissed_at is None:
            update = IncidentUpdate(incident=incident, status=act, message="A person's words.")
            reporting.post(update, who=None, now=now, reopens=reopens)

    @rule()
    def nothing_is_lost(self) -> None:
        """After a run, each service that is down has an incident that follows it, unless its outage is young."""
        while following.follow(at(self.now_s)):
            pass
        followed = set(AffectedService.objects.filter(is_followed=True).values_list("service_id", flat=True))
        watched = Service.objects.filter(status="mo", is_active=True).exclude(incident_mode="off")
        for service in watched:
            newest = Transition.objects.filter(service=service, to_status="mo").order_by("-pk").first()
            age = at(self.now_s) - newest.edge_end_at
            assert service.pk in followed or timedelta() <= age < LEAST, service.pk
        assert not TransitionClaim.objects.filter(consumer="incidents", done_at=None).exists()
        again = self._stored()
        following.follow(at(self.now_s))
        assert self._stored() == again, "a run without news changes nothing"

    @invariant()
    def no_outage_ends_before_it_begins(self) -> None:
        for row in AffectedService.objects.exclude(failed_at=None).exclude(recovered_at=None):
            assert row.recovered_at >= row.failed_at

    @invariant()
    def a_draft_is_nowhere_public(self) -> None:
        public = set(Incident.objects.exclude(published_at=None).values_list("pk", flat=True))
        page = readmodel.read(at(self.now_s), 0, settings.PAGE_TIME_ZONE)
        assert {each.id for each in page.incidents} <= public
        row = system_status.refresh(at(self.now_s))
        assert row.active_incidents == Incident.objects.filter(pk__in=public).exclude(status="resolved").count()
        assert set(IncidentUpdate.objects.public().values_list("incident", flat=True)) <= public

    def _stored(self) -> Any:
        columns = ("service_id", "incident_id", "is_followed", "failed_at", "recovered_at")
        rows = AffectedService.objects.order_by("service", "incident").values_list(*columns)
        incidents = Incident.objects.order_by("pk").values_list("title", "status", "published_at", "dismissed_at")
        updates = IncidentUpdate.objects.order_by("pk").values_list("message", "is_proposed")
        return [list(rows), list(incidents), list(updates)]


@pytest.mark.slow
@pytest.mark.django_db
def test_any_order_leaves_one_open_automatic_incident_and_loses_no_outage(settings: Any) -> None:
    settings.INCIDENT_DRAFT_AFTER_SECONDS = int(LEAST.total_seconds())

    examples = max(10, hypothesis_settings().max_examples // 5)
    run_state_machine_as_test(
        Desk, settings=hypothesis_settings(max_examples=examples, stateful_step_count=20, deadline=None)
    )
