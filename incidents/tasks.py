from celery import shared_task
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from database.locks import again_soon
from incidents import scheduling, system_status
from incidents.maintenance import running
from incidents.outages import following
from monitoring.config import clock
from monitoring.states.transitions import claimed

MOST_RUNS = 10  # of one call; transitions that come later call again


@shared_task(name="incidents.follow_transitions", ignore_result=True, acks_late=True, time_limit=60, soft_time_limit=50)
def follow_transitions(*, is_for_transitions: bool = False) -> None:
    """Update `system_status`; added and archived services change it without a transition."""
    now = timezone.now()
    with claimed("system_status", now=now) as transitions:
        if transitions or not is_for_transitions:
            system_status.refresh(now=now)


@shared_task(name="incidents.publish_scheduled", ignore_result=True, acks_late=True, time_limit=60, soft_time_limit=50)
def publish_scheduled() -> None:
    """Publish the updates of incidents that were scheduled for a time that has come."""
    scheduling.publish_due(now=clock.now())


@shared_task(name="incidents.run_maintenance", ignore_result=True, time_limit=120, soft_time_limit=100)
def run_maintenance() -> None:
    """Make, announce, begin and end maintenance. The next call does the steps that one missed."""
    with again_soon("run_maintenance"):
        running.run(clock.now(), settings.PAGE_TIME_ZONE)


@shared_task(name="incidents.follow_outages", ignore_result=True, acks_late=True, time_limit=60, soft_time_limit=50)
def follow_outages(*, is_for_transitions: bool = False) -> None:
    """Draft and follow incidents. Called for transitions, and every few seconds for what is due without one."""
    for _ in range(MOST_RUNS):
        try:
            if not following.follow(clock.now(), is_for_transitions=is_for_transitions):
                break
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            break  # somebody is changing an incident; the next call comes soon
