"""Start and stop the stamper together with the worker."""

import os
from typing import Any

from celery import current_app
from celery.signals import worker_ready, worker_shutdown

from monitoring.worker import probe_worker
from monitoring.worker.stamper import PROBES, Stamper, role_of, unique_name
from monitoring.worker.unprobed import unprobed, unresolved
from observability.refusals import refusals
from observability.version import VERSION

_stampers: list[Stamper] = []


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    queues = list(current_app.amqp.queues.consume_from)
    regions = [name.removeprefix(PROBES) for name in queues if name.startswith(PROBES)]
    stamper = Stamper(
        send=lambda stamp: current_app.send_task("monitoring.worker_seen", args=[stamp], retry=False, expires=60),
        name=unique_name(sender.hostname),
        role=role_of(queues),
        region=",".join(regions) or None,
        counters=lambda: {**probe_worker.counters(), **refusals.counters()},
        look=lambda: probe_worker.look(has_failures=False),
        unprobed=unprobed.shown,
        unresolved=unresolved.shown,
        facts={"version": VERSION, "uid": os.geteuid()},
    )
    stamper.start()
    _stampers.append(stamper)


@worker_shutdown.connect
def _end(**_: Any) -> None:
    while _stampers:
        _stampers.pop().stop()
