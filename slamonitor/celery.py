"""Queues, routes and the timetable of the engine.

Queues are few and differ in their guarantees:
  probes.<region>   at most once; a probe not made in time is dropped and shown as a gap
  dispatch          the tick of each second; worthless when late, so it expires
  results           at least once; recording the same batch twice changes nothing
  alerts            at least once; consumers of transitions
  rollups           at least once; long work
"""

import contextlib
import gc
import os
import sys
from collections.abc import Iterable
from typing import Any

from celery.schedules import crontab
from celery.signals import beat_init, task_postrun, worker_init, worker_shutdown
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
    # monitoring.probe has no route: the dispatcher names the queue of the region.
}

app.conf.beat_schedule = {
    "slots of the coming second": {"task": "monitoring.dispatch_due", "schedule": 1.0, "options": {"expires": 2}},
    "heartbeats that did not come": {"task": "monitoring.mark_overdue", "schedule": 1.0, "options": {"expires": 2}},
    "services gone silent": {"task": "monitoring.mark_silent", "schedule": 5.0, "options": {"expires": 5}},
    "transitions left lying": {"task": "monitoring.sweep_transitions", "schedule": 10.0, "options": {"expires": 10}},
    "updates of incidents, when scheduled": {
        "task": "incidents.publish_scheduled",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "outages without transitions": {"task": "incidents.follow_outages", "schedule": 5.0, "options": {"expires": 5}},
    "hours of the dashboard": {"task": "monitoring.roll_up_hours", "schedule": 60.0, "options": {"expires": 60}},
    # On the minute, so that a new day gets its row immediately; until then the page shows it without data.
    "days, closed and open": {"task": "monitoring.work_on_days", "schedule": crontab(), "options": {"expires": 60}},
    "maintenance that runs itself": {
        "task": "incidents.run_maintenance",
        "schedule": crontab(),
        "options": {"expires": 60},
    },
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
    # The timetable is not stored. Its tasks run often, and those that must not be missed look for overdue work.
    beat_scheduler="slamonitor.schedule:Timetable",
    beat_max_loop_interval=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 60,
        # Fail quickly if the broker is unavailable: a sweep finds lost messages, or we send them again.
        **{"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1},
    },
    # Every message is signed, and workers open no others.
    task_serializer=signing.NAME,
    accept_content=["json"],  # the content of a message, once its signature is verified
    worker_consumer="observability.broker_door:Consumer",
    task_ignore_result=True,
    task_default_queue="alerts",
    task_create_missing_queues=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,  # workers send stamps instead
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
)
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "observability.broker_door:Transport"))


# In a prefork worker, Celery would close the pool before and after each task, and a new connection costs PostgreSQL
# more than recording a batch. So we disable that, and return the connection to the pool ourselves.
app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize // 2)


@task_postrun.connect
def give_connections_back(**_: Any) -> None:
    from django.db import close_old_connections

    close_old_connections()


@worker_init.connect
def collect_garbage_rarely(**_: Any) -> None:
    # With 100,000 services, a worker holds millions of permanent objects. The garbage collector would spend a fifth of
    # the time scanning them, while probes stall. Reference counting frees almost everything else.
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


@worker_shutdown.connect
def note_planned_stop(sender: Any = None, **_: Any) -> None:
    # Sent at the end of an orderly stop only.
    if "dispatch" not in _queues(sender):
        return
    from django.db import Error

    from monitoring.config import clock
    from monitoring.engine.dispatch import note_stop

    with contextlib.suppress(Error):  # without a database, the gap is reported as one of a failure, and rightly so
        note_stop(clock.now())


def _only_probes(worker: Any) -> bool:
    """Return whether a worker listens to probe queues alone, so that it needs no database."""
    return all(name.startswith("probes.") for name in _queues(worker))


def _queues(worker: Any) -> Iterable[str]:
    names: Iterable[str] = getattr(getattr(worker, "app", app), "amqp", app.amqp).queues.consume_from
    return names
