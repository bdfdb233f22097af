"""The probe loop of this worker process: begun with its first batch, ended with the worker. Needs no database."""

import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from celery import current_app
from celery.signals import worker_shutdown
from django.conf import settings

from monitoring import messages
from monitoring.probe_loop import ProbeLoop
from monitoring.probes import probe
from monitoring.probes.address import AddressPolicy
from monitoring.probes.model import ProbeResult, ProbeSpec
from monitoring.probes.resolver import Resolver, parse_nameserver
from monitoring.probes.tools import Tools

logger = logging.getLogger(__name__)

STOP_S = 1.5  # `manage.py up` gives a probe worker 2.5 s in all
_lock = threading.Lock()
_loop: ProbeLoop | None = None


def loop() -> ProbeLoop:
    """Return the loop of this process, begun when first asked for: tasks run in several threads."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = ProbeLoop(make_probe, _publish, max_held=settings.PROBE_MAX_IN_FLIGHT)
        return _loop


def counters() -> dict[str, int]:
    """Return what the loop has counted, or nothing before its first batch."""
    return _loop.counters if _loop else {}


def make_tools() -> Tools:
    """Make what probes share, from the settings; must be called in the event loop that will use it."""
    return Tools(
        resolver=Resolver.from_system([parse_nameserver(text) for text in settings.PROBE_DNS_SERVERS]),
        policy=AddressPolicy(allow_private=settings.PROBE_ALLOW_PRIVATE),
    )


def make_probe() -> Callable[[ProbeSpec, float], Coroutine[Any, Any, ProbeResult]]:
    tools = make_tools()
    return lambda spec, lateness_ms: probe(spec, tools, lateness_ms=lateness_ms)


def _publish(results: Sequence[ProbeResult]) -> None:
    current_app.send_task("monitoring.record", args=[messages.pack_results(results)], retry=False)


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    if _loop is not None:
        _loop.stop(STOP_S)
        logger.info("probe loop ended", extra=_loop.counters)
