"""The shell's doors."""

from celery import shared_task
from django.conf import settings

from database.locks import one_at_a_time
from monitoring.config import clock
from slamonitor.housekeeping import backup_night, nightly


@shared_task(name="slamonitor.nightly_jobs", ignore_result=True, time_limit=3600, soft_time_limit=3500)
def nightly_jobs() -> None:
    """Acknowledged early and called again every five minutes: what is due and not done is found again."""
    with one_at_a_time("nightly jobs") as is_ours:  # one place of the engine, however long it takes
        if is_ours:
            nightly.run(clock.now(), settings.PAGE_TIME_ZONE)


@shared_task(name="slamonitor.keep_backups", ignore_result=True, time_limit=30, soft_time_limit=20)
def keep_backups() -> None:
    """Start what is due in a process of its own and return; asked every minute, so what was killed is found again."""
    backup_night.begin_due(clock.now())
