import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from monitoring.catalogue import restoring
from monitoring.engine import recording
from monitoring.models import Service, Transition, TransitionClaim
from monitoring.states import future, silence, transitions
from monitoring.tests.factories import START, make_result, make_service


def make_transition(id: str = "payments") -> Transition:
    make_service(id)
    transition = Transition(
        service_id=id, from_status="o", to_status="mo", cause="failed", edge_end_at=START, created_at=START
    )
    with transaction.atomic():
        transitions.record([transition])
    return transition


@pytest.mark.django_db
def test_a_consumer_handles_each_transition_once() -> None:
    transition = make_transition()

    with transitions.claimed("system_status", START) as first:
        assert first == [transition]
    with transitions.claimed("system_status", START) as second:
        assert second == []


@pytest.mark.django_db
def test_what_a_consumer_fails_at_is_left_for_the_next_call() -> None:
    transition = make_transition()

    with pytest.raises(RuntimeError), transitions.claimed("system_status", START):
        raise RuntimeError("half-way")

    with transitions.claimed("system_status", START + timedelta(seconds=1)) as again:
        assert again == [transition]


@pytest.mark.django_db(transaction=True)
def test_two_consumers_at_once_never_handle_the_same_transition() -> None:
    make_transition()
    taken, release, seen = threading.Event(), threading.Event(), []

    def first() -> None:
        with transitions.claimed("system_status", START) as found:
            seen.append(len(found))
            taken.set()
            release.wait(10)
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert taken.wait(10)
    with transitions.claimed("system_status", START) as found:
        seen.append(len(found))
    release.set()
    thread.join(10)

    assert seen == [1, 0]
    assert TransitionClaim.objects.get(consumer="system_status").done_at is not None


@pytest.mark.django_db
def test_the_sweep_nudges_consumers_with_transitions_left(celery_calls: Any) -> None:
    make_transition()
    assert set(transitions.sweep()) == {"incidents", "system_status"}
    assert set(celery_calls) == {"incidents.follow_outages", "incidents.follow_transitions"}

    for consumer in ("incidents", "system_status"):
        with transitions.claimed(consumer, START):
            pass

    assert transitions.sweep() == []


@pytest.mark.django_db
def test_each_way_to_a_transition_tells_its_event_once(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    make_service()
    later, archived_at = START + timedelta(days=1), START + timedelta(minutes=1)
    with caplog.at_level("INFO", "observability.events"), django_capture_on_commit_callbacks(execute=True):
        recording.record([make_result(0)], START)
        silence.mark_silent(later)
        recording.record([make_result(86_400)], later)
        Service.objects.update(archived_at=archived_at)
        restoring.restore(restoring.lock(["payments"]), later + timedelta(minutes=1))
        recording.record([make_result(86_520)], later + timedelta(minutes=2))
        future.correct_all(START)

    told = [(line.from_status, line.to_status) for line in caplog.records if line.message == "transition created"]  # type: ignore[attr-defined]
    assert told == [("nd", "o"), ("o", "nd")] * 3
    assert told == list(Transition.objects.order_by("id").values_list("from_status", "to_status"))


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_tells_no_event(caplog: pytest.LogCaptureFixture) -> None:
    make_service()

    with caplog.at_level("INFO", "observability.events"), transaction.atomic():
        recording.record([make_result(0)], START)
        transaction.set_rollback(True)

    assert "transition created" not in caplog.messages


@pytest.fixture
def celery_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the names of the tasks that are sent, at the edge where they would leave for the broker."""
    sent: list[str] = []
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda self, name, *args, **options: sent.append(name))
    return sent
