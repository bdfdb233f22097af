"""The probe loop of this worker process: started with the first batch, stopped with the worker. Needs no database."""

import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from celery import current_app
from celery.signals import worker_shutdown
from django.conf import settings

from monitoring.config import clock, sealing
from monitoring.probes import probe
from monitoring.probes.failures import NoNameServer, NotAllowed, NotKnown
from monitoring.probes.model import ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.address import AddressPolicy
from monitoring.probes.net.resolver import Resolver, parse_nameserver
from monitoring.probes.tools import Tools
from monitoring.worker import check_log, messages
from monitoring.worker.canaries import Canaries, Look
from monitoring.worker.probe_loop import ProbeLoop
from monitoring.worker.specs import trace_id
from monitoring.worker.unprobed import unprobed, unresolved

logger = logging.getLogger(__name__)

STOP_S = 1.5  # `manage.py up` gives a probe worker 2.5 s in total
CANARY_TIMEOUT_S = 2.0
_lock = threading.Lock()
_loop: ProbeLoop | None = None


def loop() -> ProbeLoop:
    """Return the loop of this process, and start it on the first call. Thread-safe, as tasks run in several threads."""
    global _loop
    with _lock:
        if _loop is None:
            broker = clock.of_broker()
            broker.seconds()  # queries the broker here, as in the loop it would delay probes
            _loop = ProbeLoop(make_probe, _publish, max_held=settings.PROBE_MAX_IN_FLIGHT, clock=broker.seconds)
        return _loop


def probes_from(region: str) -> bool:
    """Return whether this worker consumes the messages of a region."""
    return f"probes.{region}" in current_app.amqp.queues.consume_from


def counters() -> dict[str, int]:
    """Return the counters of the loop; empty before the first batch."""
    return _loop.counters if _loop else {}


def make_tools() -> Tools:
    """Create the objects that probes share, from the settings. Call it in the event loop that will use them."""
    return Tools(
        resolver=Resolver.from_system([parse_nameserver(text) for text in settings.PROBE_DNS_SERVERS]),
        policy=AddressPolicy(allow_private=settings.PROBE_ALLOW_PRIVATE),
        unseal=sealing.unseal,
    )


def make_probe() -> Callable[[ProbeSpec, float], Coroutine[Any, Any, ProbeResult]]:
    tools = make_tools()
    silences: dict[str, str] = {}  # services without a verdict, and why

    async def attempt(spec: ProbeSpec, lateness_ms: float) -> ProbeResult:
        try:
            result = await probe(spec, tools, lateness_ms=lateness_ms)
        except NotAllowed as error:
            unprobed.note(spec.service_id, str(error))
            raise
        except NoNameServer as error:
            unresolved.note(spec.service_id, str(error))
            raise
        except NotKnown as silence:
            if silences.get(spec.service_id) != str(silence):  # once, not with each check
                silences[spec.service_id] = str(silence)
                told = {"service_id": spec.service_id, "why": str(silence)}
                logger.warning("no verdict, so the service is unknown", extra=told)
            raise
        unprobed.forget(spec.service_id)
        unresolved.forget(spec.service_id)
        silences.pop(spec.service_id, None)
        return result

    return attempt


def look(*, has_failures: bool) -> Look | None:
    """Return a look of the canaries, a new one if checks fail; None without canaries or before the first batch."""
    return _canaries.look(has_failures=has_failures) if _loop else None


def _publish(results: Sequence[ProbeResult]) -> None:
    said = look(has_failures=any(result.verdict is Verdict.BAD for result in results))
    # Formatting the arguments for logs, as Celery would, costs as much as sending them.
    batch = messages.pack_results(results, said)
    current_app.send_task("monitoring.record", args=[batch], argsrepr="…", kwargsrepr="…", retry=False)
    check_log.tell_made(results)


def _ask_canaries(urls: Sequence[str]) -> bool | None:
    now_ms = int(clock.seconds() * 1000)
    results = loop().ask([_canary_spec(url, now_ms) for url in urls], CANARY_TIMEOUT_S + 1)
    # Any status is an answer, as it came over the network.
    return None if results is None else any(result and result.status_code is not None for result in results)


def _canary_spec(url: str, now_ms: int) -> ProbeSpec:
    return ProbeSpec(
        service_id=f"canary {url}",
        region=settings.REGION,
        version=0,
        url=url,
        timeout_ms=int(CANARY_TIMEOUT_S * 1000),
        interval_ms=1000,
        due_at_ms=now_ms,
        expires_at_ms=now_ms + 60_000,
        trace_id=trace_id(url, settings.REGION, now_ms),
    )


_canaries = Canaries(settings.CANARY_URLS, _ask_canaries, clock.seconds)


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    """Stop after the pool, when no more specs come. Accepted ones are finished, as no other worker has them."""
    if _loop is not None:
        _loop.finish(settings.PROBE_FINISH_S)
        _loop.stop(STOP_S)
        logger.info("probe loop ended", extra=_loop.counters)
