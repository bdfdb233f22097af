"""Queues, routes and the timetable of the engine.

Queues are few and differ in their guarantees:
  probes.<region>   at most once; a probe not made in time is dropped and shown as a gap
  dispatch          the tick of each second; worthless when late, so it expires
  results           at least once; recording the same batch twice changes nothing
  alerts            at least once; consumers of transitions
  rollups           at least once; long work
"""

import gc
import os
import sys
from typing import Any

from celery.schedules import crontab
from celery.signals import beat_init, task_postrun, worker_init
from kombu.transport import TRANSPORT_ALIASES

from observability import signing
from slamonitor.schedule import Engine

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slamonitor.settings")

app: Any = Engine("slamonitor", task_cls="slamonitor.schedule:EngineTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.task_routes = {
    "monitoring.dispatch_due": {"queue": "dispatch"},
    "monitoring.record": {"queue": "results"},
    "monitoring.worker_seen": {"queue": "results"},
    "monitoring.mark_silent": {"queue": "alerts"},
    "monitoring.mark_overdue": {"queue": "results"},
    "monitoring.sweep_transitions": {"queue": "alerts"},
    "monitoring.make_partitions": {"queue": "rollups"},
    "monitoring.roll_up_hours": {"queue": "rollups"},
    "monitoring.work_on_days": {"queue": "rollups"},
    "slamonitor.nightly_jobs": {"queue": "rollups"},
    "slamonitor.keep_backups": {"queue": "rollups"},
    "incidents.*": {"queue": "alerts"},
    "observability.*": {"queue": "rollups"},
    # monitoring.probe: the dispatcher names the region's queue
}

app.conf.beat_schedule = {
    "slots of the coming second": {"task": "monitoring.dispatch_due", "schedule": 1.0, "options": {"expires": 2}},
    "heartbeats that did not come": {"task": "monitoring.mark_overdue", "schedule": 1.0, "options": {"expires": 2}},
    "services gone silent": {"task": "monitoring.mark_silent", "schedule": 5.0, "options": {"expires": 5}},
    "transitions left lying": {"task": "monitoring.sweep_transitions", "schedule": 10.0, "options": {"expires": 10}},
    "hours of the dashboard": {"task": "monitoring.roll_up_hours", "schedule": 60.0, "options": {"expires": 60}},
    # At the full minute, so that a new day has its row at once and not after most of a minute without data.
    "days, closed and open": {"task": "monitoring.work_on_days", "schedule": crontab(), "options": {"expires": 60}},
    "results of requests kept for an hour": {
        "task": "observability.sweep_idempotent_requests",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "partitions ahead": {"task": "monitoring.make_partitions", "schedule": 3600.0, "options": {"expires": 3600}},
    "backups and their proofs": {"task": "slamonitor.keep_backups", "schedule": 60.0, "options": {"expires": 60}},
    "nightly jobs": {"task": "slamonitor.nightly_jobs", "schedule": 300.0, "options": {"expires": 300}},
}

app.conf.update(
    # The timetable needs no memory: everything in it is done again soon, and what must not be missed is due "since".
    beat_scheduler="slamonitor.schedule:Timetable",
    beat_max_loop_interval=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 60,
        # Senders learn quickly that the broker is away: every message is found again by a sweep, or sent again by us.
        **{"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1},
    },
    # Every message is signed, and workers open no others.
    task_serializer=signing.NAME,
    accept_content=["json"],  # what is inside, once it is verified
    worker_consumer="observability.broker_door:Consumer",
    task_ignore_result=True,
    task_default_queue="alerts",
    task_create_missing_queues=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,  # workers report by themselves that they are alive
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
)
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "observability.broker_door:Transport"))


# Celery would close the pool before and after each task of a prefork worker, and a new connection costs PostgreSQL more
# than recording a batch does. So its own closing is put off, and ours gives the connection back instead.
app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize // 2)


@task_postrun.connect
def give_connections_back(**_: Any) -> None:
    from django.db import close_old_connections

    close_old_connections()


@worker_init.connect
def collect_garbage_rarely(**_: Any) -> None:
    # With 100,000 services, a worker holds millions of permanent objects. Scanning them again and again takes a fifth
    # of its time, in which its probes stall. Almost everything else is freed without a collector.
    gc.freeze()
    gc.set_threshold(20_000, 20, 1_000)


@worker_init.connect
def keep_probes_apart(sender: Any = None, **_: Any) -> None:
    # Messages that workers have taken but not acknowledged are kept in Redis, in keys shared by all workers. With keys
    # of their own, probe workers need no permission for those of the engine (deploy/redis/users.acl).
    if _only_probes(sender):
        names = {f"{key}_key": f"probes:{key}" for key in ("unacked", "unacked_index", "unacked_mutex")}
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, **names}


@worker_init.connect
def stop_on_wrong_settings(sender: Any = None, **_: Any) -> None:
    from slamonitor.checks import stop_on_problems

    stop_on_problems(needs_database=not _only_probes(sender))


@beat_init.connect
def stop_beat_on_wrong_settings(**_: Any) -> None:
    from slamonitor.checks import stop_on_problems

    stop_on_problems(needs_database=False)  # it only sends


def _only_probes(worker: Any) -> bool:
    """Return whether a worker listens to probe queues alone, so that it needs no database."""
    queues = getattr(getattr(worker, "app", app), "amqp", app.amqp).queues.consume_from
    return all(name.startswith("probes.") for name in queues)
