"""People, and the monitor, at the same time, each on a connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.core.exceptions import ValidationError
from django.db import close_old_connections, connection, transaction

from accounts.models import User
from accounts.tests.cast import make_person
from incidents import reporting
from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.outages import following
from incidents.outages.tests.outages import at, fail
from monitoring.models import TransitionClaim
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], object]) -> list[str]:
    """Do each work in a thread of its own, all at the same time, and return how each ended."""
    ready = Barrier(len(works), timeout=60)

    def do(work: Callable[[], object]) -> str:
        close_old_connections()
        ready.wait()
        try:
            with transaction.atomic():
                work()
        except ValidationError as error:
            return " ".join(error.messages)
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(do, works))


def decide(act: Callable[..., None], incident_id: int, who: User) -> None:
    act(reporting.locked(incident_id), who=who, now=at(60))


@pytest.mark.parametrize("second", [reporting.publish_incident, reporting.dismiss])
def test_of_two_people_who_decide_about_a_draft_one_is_told_who_was_faster(second: Callable[..., None]) -> None:
    make_service()
    fail("payments", seconds=0)
    following.follow(at(5))
    incident = Incident.objects.drafts().get()
    one, other = make_person("reporter").user, make_person("admin").user
    assert one is not None and other is not None

    ends = at_once(
        partial(decide, reporting.publish_incident, incident.pk, one), partial(decide, second, incident.pk, other)
    )

    (refused,) = [end for end in ends if end != "done"]
    incident.refresh_from_db()
    faster = incident.published_by or incident.dismissed_by
    assert refused.startswith(f"{faster} has already ")
    assert (incident.published_at is None) != (incident.dismissed_at is None)
    assert IncidentUpdate.objects.published().count() == (1 if incident.published_at else 0)


def test_many_runs_at_once_draft_each_outage_once_and_lose_none() -> None:
    ids = [f"s-{number}" for number in range(5)]
    for id in ids:
        make_service(id)
    fail(*ids, seconds=0)

    def run() -> None:
        while following.follow(at(5)):
            pass

    at_once(*[run] * 4)

    assert set(AffectedService.objects.filter(is_followed=True).values_list("service_id", flat=True)) == set(ids)
    assert AffectedService.objects.count() == Incident.objects.count() == IncidentUpdate.objects.count() == 5
    assert not TransitionClaim.objects.filter(consumer="incidents", done_at=None).exists()
