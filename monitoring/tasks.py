"""The tasks of the engine: each parses its arguments and calls one function.

The engine has three threads. Frequent tasks wait only briefly for locks. Long ones (work on days, nightly maintenance
jobs) occupy one thread each, however often they are called, so one thread always remains.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import shared_task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from psycopg.errors import ProgramLimitExceeded

from database import partitions
from database.locks import again_soon, one_at_a_time
from monitoring.accounting import day_work, hourly
from monitoring.config import clock
from monitoring.engine import blindness, dispatch, heartbeats, recording, tally, workers
from monitoring.models.raw import RAW_TABLES
from monitoring.probes.model import ProbeSpec
from monitoring.states import silence, transitions
from monitoring.worker import messages, probe_worker
from observability.refusals import refusals

logger = logging.getLogger(__name__)

DATABASE_AWAY_S = 0.5


@shared_task(name="monitoring.dispatch_due", ignore_result=True, time_limit=30, soft_time_limit=20)
def dispatch_due() -> None:
    dispatch.dispatch_due(clock.now(), _publish)


def _publish(region: str, specs: Sequence[ProbeSpec]) -> None:
    # At most once: no retry. The message expires a little later than its specs, so that the worker counts those.
    expires_s = max(spec.expires_at_ms - spec.due_at_ms for spec in specs) / 1000 + 60
    probe.apply_async(
        [messages.pack_specs(specs)],
        queue=f"probes.{region}",
        expires=expires_s,
        retry=False,
        argsrepr="…",
        kwargsrepr="…",
    )


@shared_task(name="monitoring.probe", ignore_result=True, acks_late=False)
def probe(specs: messages.Table) -> None:
    """Submit specs to the event loop and return; no time limit, as the pool of threads enforces none."""
    unpacked = messages.unpack_specs(specs)
    if not all(probe_worker.probes_from(region) for region in {spec.region for spec in unpacked}):
        # Signed by us, but moved here from the queue of another region, for which its results would count.
        return refusals.note("its region is not probed from here", task="monitoring.probe")
    probe_worker.loop().submit(unpacked)


@shared_task(
    name="monitoring.record",
    ignore_result=True,
    acks_late=True,
    acks_on_failure_or_timeout=False,  # a task killed at the limit has stored nothing
    reject_on_worker_lost=True,
    time_limit=50,
    soft_time_limit=40,
)
def record(results: messages.Table) -> None:
    try:
        recorded = recording.record(messages.unpack_results(results), clock.now(), messages.look_of(results))
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded) as error:
        if isinstance(error.__cause__, ProgramLimitExceeded):
            raise  # PostgreSQL will never take what is in this batch, such as a name too long for an index
        # The database is away or does not answer. The batch waits in the queue, not in our memory, until the next try.
        time.sleep(DATABASE_AWAY_S)
        raise Reject(repr(error), requeue=True) from error
    tally.count(recorded)


@shared_task(name="monitoring.worker_seen", ignore_result=True, time_limit=30, soft_time_limit=20)
def worker_seen(stamp: dict[str, Any]) -> None:
    with again_soon("worker_seen"):
        workers.keep(stamp, clock.now())


@shared_task(name="monitoring.mark_silent", ignore_result=True, time_limit=60, soft_time_limit=50)
def mark_silent() -> None:
    with again_soon("mark_silent"):
        silence.mark_silent(clock.now())
        blindness.forget(clock.now())


@shared_task(name="monitoring.mark_overdue", ignore_result=True, time_limit=30, soft_time_limit=20)
def mark_overdue() -> None:
    with again_soon("mark_overdue"):
        heartbeats.mark_overdue(clock.now())


@shared_task(name="monitoring.sweep_transitions", ignore_result=True, time_limit=30, soft_time_limit=20)
def sweep_transitions() -> None:
    transitions.sweep()


@shared_task(name="monitoring.work_on_days", ignore_result=True, time_limit=3600, soft_time_limit=3500)
def work_on_days() -> None:
    """Work on days for a minute. Acknowledged early: it is called again every minute, so nothing is lost."""
    with one_at_a_time("work on days") as is_ours:
        if is_ours:
            day_work.run()


@shared_task(name="monitoring.make_partitions", ignore_result=True, acks_late=True, time_limit=300, soft_time_limit=280)
def make_partitions() -> None:
    for table in RAW_TABLES:
        partitions.ensure_ahead(table, clock.now())


@shared_task(name="monitoring.roll_up_hours", ignore_result=True, acks_late=True, time_limit=300, soft_time_limit=280)
def roll_up_hours() -> None:
    with again_soon("roll_up_hours"):
        hourly.roll_up(clock.now())
