"""The Celery tasks of `slamonitor`; each calls one function."""

from celery import shared_task
from django.conf import settings

from database.locks import one_at_a_time
from monitoring.config import clock
from slamonitor.housekeeping import backup_night, nightly


@shared_task(name="slamonitor.nightly_jobs", ignore_result=True, time_limit=3600, soft_time_limit=3500)
def nightly_jobs() -> None:
    """Run the due nightly jobs.

    The message is acknowledged early. The next call, in five minutes, finds the jobs that a killed one left undone.
    """
    with one_at_a_time("nightly jobs") as is_ours:  # occupies one place of the engine, even if it takes long
        if is_ours:
            nightly.run(clock.now(), settings.PAGE_TIME_ZONE)


@shared_task(name="slamonitor.keep_backups", ignore_result=True, time_limit=30, soft_time_limit=20)
def keep_backups() -> None:
    """Start a due backup in a process of its own and return. The call of each minute finds a killed one."""
    backup_night.begin_due(clock.now())
