from celery import shared_task
from django.db import OperationalError
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from incidents import system_status
from incidents.outages import following
from monitoring.states.transitions import claimed

MOST_RUNS = 10  # of one call; transitions that come later call again


@shared_task(name="incidents.follow_transitions", ignore_result=True, acks_late=True, time_limit=60, soft_time_limit=50)
def follow_transitions(*, is_for_transitions: bool = False) -> None:
    """Update `system_status`; added and archived services change it without a transition."""
    now = timezone.now()
    with claimed("system_status", now=now) as transitions:
        if transitions or not is_for_transitions:
            system_status.refresh(now=now)


@shared_task(name="incidents.follow_outages", ignore_result=True, acks_late=True, time_limit=60, soft_time_limit=50)
def follow_outages(*, is_for_transitions: bool = False) -> None:
    """Draft and follow incidents. Called for transitions, and every few seconds for what is due without one."""
    for _ in range(MOST_RUNS):
        try:
            if not following.follow(timezone.now()):
                break
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            break  # somebody is changing an incident; the next call comes soon
