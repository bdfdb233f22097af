from celery import shared_task
from django.utils import timezone

from incidents import system_status
from monitoring.transitions import claimed


@shared_task(name="incidents.follow_transitions", ignore_result=True, acks_late=True, time_limit=60, soft_time_limit=50)
def follow_transitions() -> None:
    """Bring `system_status` up to date with the transitions that it has not seen yet."""
    with claimed("system_status", now=timezone.now()) as transitions:
        if transitions:
            system_status.refresh(now=timezone.now())
